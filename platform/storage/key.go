package storage

import (
	"fmt"
	"path"
	"strings"
)

// maxKey is what fits one file name everywhere, and so is safe in a prefix too.
const maxKey = 255

// CheckKey fails with ErrBadKey unless key is 1 to 255 bytes of a–z, 0–9, ".",
// "_", "-" in segments parted by single slashes, no segment beginning with a
// dot. So it can neither leave the store nor meet the store's own files.
func CheckKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("%w: %d bytes", ErrBadKey, len(key))
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment[0] == '.' {
			return fmt.Errorf("%w: %q", ErrBadKey, key)
		}
		for _, c := range []byte(segment) {
			if !allowed(c) {
				return fmt.Errorf("%w: %q", ErrBadKey, key)
			}
		}
	}
	return nil
}

func allowed(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

// checkPrefix accepts what a key can begin with, the empty prefix included.
func checkPrefix(prefix string) error {
	trimmed := strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return nil
	}
	return CheckKey(trimmed)
}

// typeOf tells the content type from a key's ending. It does not ask the mime
// package, whose answers depend on the machine's files.
func typeOf(key string) string {
	switch path.Ext(key) {
	case ".mp4":
		return "video/mp4"
	case ".mov":
		return "video/quicktime"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".png":
		return "image/png"
	case ".webp":
		return "image/webp"
	case ".json":
		return "application/json"
	case ".txt":
		return "text/plain; charset=utf-8"
	default:
		return "application/octet-stream"
	}
}
