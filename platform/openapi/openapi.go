// Package openapi holds the HTTP contract and serves its documentation.
//
// openapi.yaml, written by hand, is the authority for paths, fields, statuses
// and sentences. The pages that show it work with no internet; everything
// they need is in the binary and is served from there without a copy.
package openapi

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var document string

// YAML returns the document as it was written.
func YAML() string { return document }

// JSON returns the document as JSON, with its keys in the written order and
// its YAML aliases resolved. Each call converts anew.
func JSON() ([]byte, error) { return Convert(document) }

// Convert does as JSON does with another document in YAML.
func Convert(text string) ([]byte, error) {
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := writeJSON(&out, root); err != nil {
		return nil, fmt.Errorf("convert openapi.yaml to JSON: %w", err)
	}
	return out.Bytes(), nil
}

func parse(text string) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("parse openapi.yaml: %w", err)
	}
	if len(doc.Content) != 1 {
		return nil, fmt.Errorf("parse openapi.yaml: %d documents, want 1", len(doc.Content))
	}
	return doc.Content[0], nil
}

// writeJSON keeps the order of keys, which a map would lose: the pages show
// operations in the order of the document.
func writeJSON(out *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.AliasNode:
		return writeJSON(out, n.Alias)
	case yaml.MappingNode:
		out.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeValue(out, n.Content[i].Value); err != nil {
				return err
			}
			out.WriteByte(':')
			if err := writeJSON(out, n.Content[i+1]); err != nil {
				return err
			}
		}
		out.WriteByte('}')
		return nil
	case yaml.SequenceNode:
		out.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeJSON(out, item); err != nil {
				return err
			}
		}
		out.WriteByte(']')
		return nil
	default:
		var value any
		if err := n.Decode(&value); err != nil {
			return fmt.Errorf("line %d: %w", n.Line, err)
		}
		return writeValue(out, value)
	}
}

func writeValue(out *bytes.Buffer, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	out.Write(text)
	return nil
}
