package storage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	gcaws "gocloud.dev/aws"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
)

// openS3 asks nothing of the network, except for credentials where the SDK
// finds them there. Tests tune the client.
func openS3(ctx context.Context, u *url.URL, stageDir string, tune ...func(*s3.Options)) (Store, error) {
	q := u.Query()
	prefix := q.Get("prefix")
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	pathStyle := false
	if v := q.Get("use_path_style"); v != "" {
		var err error
		if pathStyle, err = strconv.ParseBool(v); err != nil {
			return nil, errors.New("storage: url's use_path_style must be true or false")
		}
	}
	endpoint, public := q.Get("endpoint"), q.Get(publicOption)
	for _, ours := range []string{"prefix", "use_path_style", "endpoint", publicOption} {
		q.Del(ours)
	}
	cfg, err := gcaws.V2ConfigFromURLParams(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("storage: options of s3://%s: %w", u.Host, err)
	}
	if cfg.Region == "" {
		return nil, fmt.Errorf("storage: s3://%s needs a region: ?region=… or AWS_REGION", u.Host)
	}
	cfg.HTTPClient = patient(cfg.HTTPClient)
	client := s3.NewFromConfig(cfg, append(tune, func(o *s3.Options) {
		o.UsePathStyle = pathStyle
		if endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
		// Else the SDK prints a line for each read from a server that is not AWS.
		o.DisableLogOutputChecksumValidationSkipped = true
	})...)
	b, err := openBucket(ctx, client, u.Host, prefix)
	if err != nil {
		return nil, err
	}
	signer, err := signerOf(ctx, client, b, public, u.Host, prefix)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	out := &bucket{
		blob: b, signer: signer, tune: abortAlways(client),
		uploads: &uploads{client: client, bucket: u.Host, prefix: prefix},
	}
	if out.stage, err = openArea(stageDir); err != nil {
		return nil, errors.Join(fmt.Errorf("storage: %w", err), b.Close())
	}
	return out, nil
}

func openBucket(ctx context.Context, client *s3.Client, name, prefix string) (*blob.Bucket, error) {
	b, err := s3blob.OpenBucket(ctx, client, name, &s3blob.Options{
		RequestChecksumCalculation: client.Options().RequestChecksumCalculation,
	})
	if err != nil {
		return nil, fmt.Errorf("storage: s3://%s: %w", name, err)
	}
	if prefix != "" {
		b = blob.PrefixedBucket(b, prefix)
	}
	return b, nil
}

// signerOf returns what signs addresses that browsers and phones reach: b
// itself, or the same bucket at its public endpoint; nil when they reach
// neither. See Config.URL.
func signerOf(ctx context.Context, client *s3.Client, b *blob.Bucket, public, name, prefix string) (*blob.Bucket, error) {
	own := client.Options().BaseEndpoint != nil // of the option, or of AWS_ENDPOINT_URL
	switch {
	case public == publicNone, public == "" && own:
		return nil, nil
	case public == "":
		return b, nil
	}
	return openBucket(ctx, s3.New(client.Options(), func(o *s3.Options) { o.BaseEndpoint = &public }), name, prefix)
}

// patient gives up on a server that takes a request and never answers; the
// SDK's own client waits for ever.
func patient(c aws.HTTPClient) aws.HTTPClient {
	b, ok := c.(*awshttp.BuildableClient)
	if !ok {
		b = awshttp.NewBuildableClient()
	}
	return b.WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = callTimeout })
}

// abortAlways makes the SDK clean up a failed multipart upload even when the
// upload's context has ended, which by default it tries with that context.
func abortAlways(client *s3.Client) tuneWrite {
	return func(asFunc func(any) bool) error {
		var tm *transfermanager.Client
		if !asFunc(&tm) {
			return errors.New("go-cloud's s3 driver has no transfer manager")
		}
		*tm = *transfermanager.New(client, func(o *transfermanager.Options) {
			o.FailTimeout = callTimeout
			o.PartSizeBytes = uploadPartBytes
			o.MultipartUploadThreshold = uploadPartBytes
			o.Concurrency = uploadParts
			o.RequestChecksumCalculation = client.Options().RequestChecksumCalculation
		})
		return nil
	}
}

// uploads are the multipart uploads of a bucket: parts that a process left
// behind are in no list of objects, and cost money.
type uploads struct {
	client         *s3.Client
	bucket, prefix string
}

func (u *uploads) abortOlder(ctx context.Context, before time.Time) (int, error) {
	aborted := 0
	var errs []error
	pages := s3.NewListMultipartUploadsPaginator(u.client, &s3.ListMultipartUploadsInput{
		Bucket: &u.bucket, Prefix: &u.prefix,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return aborted, errors.Join(append(errs, fmt.Errorf("list half-done uploads: %w", err))...)
		}
		for _, up := range page.Uploads {
			key, id, begun := aws.ToString(up.Key), up.UploadId, up.Initiated
			if begun == nil || !begun.Before(before) {
				continue
			}
			_, err := u.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
				Bucket: &u.bucket, Key: &key, UploadId: id,
			})
			if err != nil {
				errs = append(errs, fmt.Errorf("abort half-done upload of %s: %w", key, err))
				continue
			}
			aborted++
		}
	}
	return aborted, errors.Join(errs...)
}
