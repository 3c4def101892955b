//go:build e2e && compose

package e2e

func (o *owner) beforeObservability() {}
func (o *owner) afterObservability()  {}
