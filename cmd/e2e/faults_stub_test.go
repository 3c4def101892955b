//go:build e2e

package e2e

func stopFaults() []faultCase   { return nil }
func startFaults() []faultCase  { return nil }
func schemaFaults() []faultCase { return nil }
