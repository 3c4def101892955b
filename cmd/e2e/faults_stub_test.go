//go:build e2e

package e2e

func slowFaults() []faultCase    { return nil }
func requestFaults() []faultCase { return nil }
func stopFaults() []faultCase    { return nil }
func startFaults() []faultCase   { return nil }
func schemaFaults() []faultCase  { return nil }
