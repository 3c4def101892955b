// Package docs_test keeps the documentation true: what it says about
// configuration, schema, tasks, files and packages is compared with them.
package docs_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "rewrite what is made from the code")

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

func TestREADME_ConfigurationTableIsThatOfConfigYAML(t *testing.T) {
	t.Parallel()
	const begin, end = `<!-- configuration: made from config.yaml by "go tool task docs" -->`, `<!-- configuration ends -->`
	readme := read(t, "../README.md")
	before, rest, ok := strings.Cut(readme, begin)
	require.True(t, ok, "the README has lost its marker: %s", begin)
	table, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "the README has lost its marker: %s", end)

	want := "\n\n" + configTable(t, read(t, "../config.yaml")) + "\n"
	if *update && table != want {
		require.NoError(t, os.WriteFile("../README.md", []byte(before+begin+want+end+after), 0o644))
		return
	}
	require.Equal(t, want, table, "run: go tool task docs")
}

// configTable lists every key with its variable, default and comment.
func configTable(t *testing.T, source string) string {
	t.Helper()
	var file yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(source), &file))
	var b strings.Builder
	b.WriteString("| Key | Variable | Default | Meaning |\n|---|---|---|---|\n")
	var walk func(path string, n *yaml.Node)
	walk = func(path string, n *yaml.Node) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			name := strings.TrimPrefix(path+"."+key.Value, ".")
			if value.Kind == yaml.MappingNode {
				walk(name, value)
				continue
			}
			cells := []string{"`" + name + "`", "`" + variable(name) + "`", literal(value), comment(key, value)}
			for i := range cells {
				cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
			}
			b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		}
	}
	walk("", file.Content[0])
	return b.String()
}

func variable(key string) string {
	return "ANB_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// literal is a value as a variable would have it.
func literal(n *yaml.Node) string {
	words := []string{n.Value}
	if n.Kind == yaml.SequenceNode {
		words = nil
		for _, item := range n.Content {
			words = append(words, item.Value)
		}
	}
	if text := strings.Join(words, ","); text != "" {
		return "`" + text + "`"
	}
	return "empty"
}

func comment(key, value *yaml.Node) string {
	text := value.LineComment
	if text == "" {
		text = key.LineComment
	}
	return strings.TrimSpace(strings.TrimPrefix(text, "#"))
}

type taskfile struct {
	Tasks map[string]struct {
		Desc string `yaml:"desc"`
	} `yaml:"tasks"`
}

func TestTaskfile_EveryTaskIsDescribedAndEveryNamedOneExists(t *testing.T) {
	t.Parallel()
	var f taskfile
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "../Taskfile.yml")), &f))
	require.NotEmpty(t, f.Tasks)
	for name, task := range f.Tasks {
		require.NotEmpty(t, task.Desc, "task %s has no desc", name)
	}
	named := regexp.MustCompile(`go tool task ([a-z][a-z:]*)`)
	for _, path := range append(documents(t), "../.ci/run", "../.github/workflows/ci.yml") {
		for _, m := range named.FindAllStringSubmatch(read(t, path), -1) {
			require.Contains(t, f.Tasks, m[1], "%s names a task that is not there", path)
		}
	}
}

func TestCI_RunsTheTestCommandOfTheREADME(t *testing.T) {
	t.Parallel()
	require.Contains(t, read(t, "../README.md"), "\ngo tool task test ")
	lines := strings.Split(strings.TrimSpace(read(t, "../.ci/run")), "\n")
	require.Equal(t, []string{"#!/bin/bash", "set -euo pipefail", `cd "$(dirname "$0")/.."`, "go tool task test"}, lines)
	require.Contains(t, read(t, "../.github/workflows/ci.yml"), "run: .ci/run")
}

func TestDocuments_LinksLeadToFiles(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	for _, path := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, path), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			_, err := os.Stat(filepath.Join(filepath.Dir(path), m[1]))
			require.NoError(t, err, "a link in %s", path)
		}
	}
}

func TestREADME_MapNamesFoldersThatExist(t *testing.T) {
	t.Parallel()
	_, rest, ok := strings.Cut(read(t, "../README.md"), "## Map of the code")
	require.True(t, ok)
	table, _, _ := strings.Cut(rest, "\n## ")
	var named []string
	for _, m := range regexp.MustCompile("`([a-z.]+(?:/[a-z0-9.]*)+)`").FindAllStringSubmatch(table, -1) {
		_, err := os.Stat(filepath.Join("..", m[1]))
		require.NoError(t, err, "the map names %s", m[1])
		named = append(named, strings.TrimSuffix(m[1], "/"))
	}
	modules, err := filepath.Glob("../modules/*")
	require.NoError(t, err)
	for _, m := range modules {
		require.True(t, slices.Contains(named, strings.TrimPrefix(m, "../")), "the map lacks %s", m)
	}
}

func TestADRs_AreNumberedAndHaveTheirThreeParts(t *testing.T) {
	t.Parallel()
	all, err := filepath.Glob("adr/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for i, path := range all {
		require.Regexp(t, `^\d{4}-[a-z0-9-]+\.md$`, filepath.Base(path))
		text := read(t, path)
		number := filepath.Base(path)[:4]
		require.Regexp(t, `^# `+number+` `, text)
		n, err := strconv.Atoi(number)
		require.NoError(t, err)
		require.Equal(t, i+1, n, "a number is missing or used twice before %s", path)
		for _, part := range []string{"**Context.**", "**Decision.**", "**Consequence.**"} {
			require.Contains(t, text, part, path)
		}
	}
}

// documents are the texts for people, README first.
func documents(t *testing.T) []string {
	t.Helper()
	paths := []string{"../README.md"}
	for _, pattern := range []string{"*.md", "adr/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		paths = append(paths, found...)
	}
	return paths
}
