package docs_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A command of the guide is run by "go tool task test:compose" unless its block
// says why not: it never ends, or it is for a cloud.
func TestDeployment_CommandsAreOfAKindThatIsRun(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("DEPLOYMENT.md")
	require.NoError(t, err)
	local, cloud, ok := strings.Cut(string(text), "\n# The cloud\n")
	require.True(t, ok)
	for part, kinds := range map[string][]string{local: {"```bash", "```bash follow", "```bash cloud", "```json"}, cloud: {"```bash cloud", "```json"}} {
		open, blocks := false, 0
		for line := range strings.Lines(part) {
			fence := strings.TrimSpace(line)
			if !strings.HasPrefix(fence, "```") {
				continue
			}
			if open = !open; open {
				blocks++
				require.Contains(t, kinds, fence)
				require.True(t, strings.HasPrefix(line, "```") || fence == "```bash cloud", "an indented block is not run: %s", line)
			}
		}
		require.False(t, open, "a block has no end")
		require.NotZero(t, blocks)
	}
	// What the owner's own document tells to type is among them.
	for _, command := range []string{
		"docker-compose build", "docker-compose up -d", "docker-compose logs -f ", "docker-compose up -d --scale worker=4", "docker-compose down",
		"docker-compose down -v", "docker-compose ps", "git pull origin main", "(umask 077; docker-compose exec -T postgres pg_dump -U anb_user anb_db > backup.sql)",
	} {
		require.Contains(t, local, "\n"+command)
	}
	require.Contains(t, local, "psql -q -v ON_ERROR_STOP=1 -U anb_user anb_db < backup.sql")
}
