package storage

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// noRoom recognises the answers of servers that have a limit.
func noRoom(err error) error {
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusInsufficientStorage {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	full := []string{"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded"}
	if slices.Contains(full, code(err)) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// archived recognises an object that was moved to an archive.
func archived(err error) error {
	if code(err) == "InvalidObjectState" {
		return fmt.Errorf("%w: %w", ErrArchived, err)
	}
	return err
}

// refused says what somebody must mend, if that is what the server's answer
// means.
func refused(err error) error {
	why := ""
	switch code(err) {
	case "NoSuchBucket":
		why = "the bucket does not exist"
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken":
		why = "the access key or its secret is wrong"
	case "AccessDenied", "Forbidden", "AccountProblem", "AllAccessDisabled":
		why = "the access key may not use the bucket"
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException":
		why = "the region is wrong"
	case "RequestTimeTooSkewed":
		why = "the clock of this machine is wrong"
	default:
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrRefused, why, err)
}

// code is S3's name for what is wrong; empty when S3 did not answer.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
