//go:build !crashpoints

package crash

// At does nothing in this build.
func At(Point) {}

// Variables are the environment variables that arm points: none in this build.
func Variables() []string { return nil }
