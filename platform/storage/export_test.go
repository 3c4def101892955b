package storage

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// OpenImpatient is Open for S3 with next to no waiting between tries.
func OpenImpatient(ctx context.Context, c Config) (Store, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	_, u, err := c.parse()
	if err != nil {
		return nil, err
	}
	return openS3(ctx, u, c.StageDir, func(o *s3.Options) {
		o.Retryer = retry.AddWithMaxBackoffDelay(o.Retryer, 5*time.Millisecond)
	})
}

// RenameNew is how files are named where there are no links.
var RenameNew = renameNew
