package storage

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// OpenImpatient is Open for S3 with next to no waiting between tries.
func OpenImpatient(ctx context.Context, c Config) (Store, error) {
	return openTuned(ctx, c, func(*s3.Options) {})
}

// OpenHasty is OpenImpatient with another time in which S3 must answer.
func OpenHasty(ctx context.Context, c Config, answer time.Duration) (Store, error) {
	return openTuned(ctx, c, func(o *s3.Options) {
		o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = answer })
	})
}

func openTuned(ctx context.Context, c Config, tune func(*s3.Options)) (Store, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	_, u, err := c.parse()
	if err != nil {
		return nil, err
	}
	return openS3(ctx, u, c.StageDir, func(o *s3.Options) {
		tune(o)
		o.Retryer = retry.AddWithMaxBackoffDelay(o.Retryer, 5*time.Millisecond)
	})
}

// RenameNew is how files are named where there are no links.
var RenameNew = renameNew
