package openapi

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// ErrorCode is one entry of the document's x-error-catalogue.
type ErrorCode struct {
	Code        string `yaml:"-"`           // stable, in capitals
	Status      int    `yaml:"status"`      // HTTP status; 0 when it is never an answer of its own
	Detail      string `yaml:"detail"`      // Spanish, for users
	Description string `yaml:"description"` // English, for developers
	Varies      bool   `yaml:"varies"`      // an answer may say Detail more precisely
	Failure     bool   `yaml:"failure"`     // only the failure_code of a failed video
}

// Catalogue returns every error code in the order of the document. Each call
// reads the document anew.
func Catalogue() ([]ErrorCode, error) { return CatalogueOf(document) }

// CatalogueOf does as Catalogue does with another document in YAML.
func CatalogueOf(text string) ([]ErrorCode, error) {
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	var entries *yaml.Node
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "x-error-catalogue" {
			entries = root.Content[i+1]
		}
	}
	if entries == nil {
		return nil, fmt.Errorf("read error catalogue: openapi.yaml has no x-error-catalogue")
	}
	codes := make([]ErrorCode, 0, len(entries.Content)/2)
	for i := 0; i+1 < len(entries.Content); i += 2 {
		e := ErrorCode{Code: entries.Content[i].Value}
		if err := entries.Content[i+1].Decode(&e); err != nil {
			return nil, fmt.Errorf("read error catalogue, %s: %w", e.Code, err)
		}
		codes = append(codes, e)
	}
	return codes, nil
}
