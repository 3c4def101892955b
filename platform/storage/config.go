package storage

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// Config says where a store is.
type Config struct {
	// URL is a folder (./data/uploads or file:///srv/uploads), s3://bucket with
	// the options region, prefix, endpoint, public_endpoint, use_path_style and
	// those of gocloud.dev/aws, or mem:// for a store that ends with the process.
	//
	// public_endpoint is the address at which browsers and phones reach the
	// bucket, for Store.URL; "none" when they cannot. It is that of AWS by
	// default, and none when there is an endpoint, which may be on a private
	// network.
	//
	// The keys to S3 come from where its SDK looks: the environment, the file
	// that AWS_SHARED_CREDENTIALS_FILE names, or the role of the machine.
	URL string `mapstructure:"url"`
	// StageDir is a local folder for staged files; S3 needs it, a disk has its
	// own, memory makes one.
	StageDir string `mapstructure:"stage_dir"`
}

// Validate reports every problem at once; the caller adds the section's name.
func (c Config) Validate() error {
	kind, u, err := c.parse()
	if err != nil {
		return err
	}
	var errs []error
	switch kind {
	case kindS3:
		if u.Host == "" {
			errs = append(errs, errors.New("url names no bucket, such as s3://bucket?region=us-east-1"))
		}
		if u.Path != "" && u.Path != "/" {
			errs = append(errs, errors.New("url has a path after the bucket; use ?prefix="))
		}
		if c.StageDir == "" {
			errs = append(errs, errors.New("stage_dir is empty; S3 needs a local folder for files being received"))
		}
		if err := checkPrefix(u.Query().Get("prefix")); err != nil {
			errs = append(errs, fmt.Errorf("url's prefix: %w", err))
		}
		if !validPublic(u.Query().Get(publicOption)) {
			errs = append(errs, errors.New("url's public_endpoint is not http(s)://host[:port], or none"))
		}
	case kindMem:
		if u.Host != "" || u.Path != "" || u.RawQuery != "" {
			errs = append(errs, errors.New("url of a store in memory is just mem://"))
		}
	}
	return errors.Join(errs...)
}

// The option that says where browsers reach a bucket, and what it says when
// they do not.
const (
	publicOption = "public_endpoint"
	publicNone   = "none"
)

func validPublic(endpoint string) bool {
	if endpoint == "" || endpoint == publicNone {
		return true
	}
	u, err := url.Parse(endpoint)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil &&
		strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
}

type kind int

const (
	kindDisk kind = iota
	kindS3
	kindMem
)

// parse tells the kind of store; for a disk, the Path of the URL is the folder.
func (c Config) parse() (kind, *url.URL, error) {
	const known = "a folder, file:///folder, s3://bucket or mem://"
	if c.URL == "" {
		return 0, nil, errors.New("url is empty; it is " + known)
	}
	if !strings.Contains(c.URL, "://") {
		return kindDisk, &url.URL{Path: c.URL}, nil
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return 0, nil, errors.New("url cannot be parsed; it is " + known)
	}
	if u.User != nil {
		return 0, nil, errors.New("url carries a user; give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" || u.RawQuery != "" || u.Path == "" {
			return 0, nil, errors.New("url of a folder needs three slashes and no options: file:///srv/uploads")
		}
		return kindDisk, u, nil
	case "s3":
		return kindS3, u, nil
	case "mem":
		return kindMem, u, nil
	default:
		return 0, nil, fmt.Errorf("url begins with %q; it is "+known, u.Scheme+"://")
	}
}

// Overlap tells whether one of two stores is the other or lies within it, so that
// it would take the other's files for its own. Both must be valid.
func Overlap(a, b Config) bool {
	placeA, placeB := a.place(), b.place()
	return strings.HasPrefix(placeA, placeB) || strings.HasPrefix(placeB, placeA)
}

// place is where a store is, ending with a slash; empty when that cannot be told.
func (c Config) place() string {
	kind, u, err := c.parse()
	if err != nil {
		return ""
	}
	switch kind {
	case kindS3:
		q := u.Query()
		return "s3 " + q.Get("endpoint") + " " + path.Join(u.Host, q.Get("prefix")) + "/"
	case kindMem:
		return c.URL
	}
	folder, err := filepath.Abs(u.Path)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(folder, "/") + "/"
}

// Open opens the store that c names; the caller closes it. A folder that does
// not exist is made, and one that cannot be written is an error; over the
// network nothing is asked yet: see Check.
func Open(ctx context.Context, c Config) (Store, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	kind, u, err := c.parse()
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	switch kind {
	case kindS3:
		return openS3(ctx, u, c.StageDir)
	case kindMem:
		return openMem(c.StageDir)
	default:
		return openDisk(ctx, u.Path)
	}
}
