package docs_test

import (
	"os"
	"regexp"
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
	opening := regexp.MustCompile("(?m)^ *```(.+)$")
	for part, kinds := range map[string][]string{local: {"bash", "bash follow", "bash cloud", "json"}, cloud: {"bash cloud", "json"}} {
		found := opening.FindAllStringSubmatch(part, -1)
		require.NotEmpty(t, found)
		for _, m := range found {
			require.Contains(t, kinds, m[1])
		}
	}
	// What the owner's own document tells to type is among them.
	for _, command := range []string{
		"docker-compose build", "docker-compose up -d", "docker-compose logs -f ", "docker-compose up -d --scale worker=4", "docker-compose down",
		"docker-compose down -v", "docker-compose ps", "git pull origin main", "docker-compose exec -T postgres pg_dump -U anb_user anb_db > backup.sql",
	} {
		require.Contains(t, local, "\n"+command)
	}
	require.Contains(t, local, "psql -q -v ON_ERROR_STOP=1 -U anb_user anb_db < backup.sql")
}
