//go:build !amd64 && !arm64

package ffmpeg

// auditArch is 0 where nobody has tried the filter.
const auditArch = 0
