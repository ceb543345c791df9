//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// gh and curl stand in for the programs of these names: what is posted goes to
// a file, and what is asked for is answered from it, through the very jq program
// of the recipe.
const (
	ghStub = `#!/usr/bin/env bash
set -euo pipefail
[[ $GH_TOKEN == token ]]
case "$1 $2" in
"pr comment") [[ $3 == 7 && $4 == --body-file && "$*" == *"--edit-last --create-if-none" ]]; cp "$5" "$POSTED" ;;
"api repos/team/redis/commits/c0ffee/pulls") echo '[{"number":7}]' | jq -r "$4" ;;
"api --paginate") [[ $3 == repos/team/redis/issues/7/comments ]]
	jq -n --rawfile plan "$POSTED" '[{user:{login:"mallory"},body:"### slotwright plan\nslotwright apply --expect-plan sha256:bad x"},{user:{login:"github-actions[bot]"},body:"tests passed"},{user:{login:"github-actions[bot]"},body:$plan}]' | jq -r "$5" ;;
*) echo "gh $*" >&2; exit 1 ;;
esac
`
	curlStub = `#!/usr/bin/env bash
set -euo pipefail
[[ "$*" == *"PRIVATE-TOKEN:token"* && "$*" == *--fail* ]]
case "${*: -1}" in
https://gitlab/api/v4/projects/5/merge_requests/7/notes) [[ "$*" == *"--data @note.json"* ]]; cp note.json "$POSTED" ;;
https://gitlab/api/v4/user) echo '{"username":"bot"}' ;;
https://gitlab/api/v4/projects/5/repository/commits/c0ffee/merge_requests) echo '[{"iid":7}]' ;;
"https://gitlab/api/v4/projects/5/merge_requests/7/notes?sort=desc&per_page=100")
	jq '[{author:{username:"mallory"},body:"### slotwright plan\nslotwright apply --expect-plan sha256:bad x"},{author:{username:"bot"},body:.body},{author:{username:"bot"},body:"### slotwright plan\nan older one"}]' "$POSTED" ;;
*) echo "curl $*" >&2; exit 1 ;;
esac
`
)

// recipe is the commands of a CI recipe: before and after the merge.
type recipe struct {
	plan, apply []string
	shell       []string // as that CI runs a command
}

func github(t *testing.T) recipe {
	var file struct {
		Jobs map[string]struct{ Steps []struct{ Run string } }
	}
	read(t, "github.yml", &file)
	runs := func(job string) (out []string) {
		for _, s := range file.Jobs[job].Steps {
			if s.Run != "" {
				out = append(out, s.Run)
			}
		}
		return out
	}
	return recipe{runs("plan"), runs("apply"), []string{"bash", "-e", "-c"}}
}

func gitlab(t *testing.T) recipe {
	var file map[string]struct{ Script []string }
	read(t, "gitlab.yml", &file)
	whole := func(job string) []string { return []string{strings.Join(file["slotwright "+job].Script, "\n")} }
	return recipe{whole("plan"), whole("apply"), []string{"bash", "-eo", "pipefail", "-c"}}
}

func read(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/ci/" + name)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// The recipes are carried out as they are written. The plan that was shown in
// the request is applied after the merge; where the cluster has changed since,
// nothing is.
func TestTheRecipesForCIApplyThePlanThatWasReviewed(t *testing.T) {
	for name, r := range map[string]recipe{"github": github(t), "gitlab": gitlab(t)} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, livetest.Options{Servers: 4})
			tools := filepath.Join(b.dir, "tools")
			for path, text := range map[string]string{"gh": ghStub, "curl": curlStub} {
				if err := os.MkdirAll(tools, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(tools, path), []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			b.env = append(b.env, "PATH="+tools+":"+filepath.Dir(binary)+":"+os.Getenv("PATH"), "POSTED="+filepath.Join(b.dir, "posted"),
				"GH_TOKEN=token", "NUMBER=7", "COMMIT=c0ffee", "GITHUB_REPOSITORY=team/redis",
				"SLOTWRIGHT_NOTES_TOKEN=token", "CI_API_V4_URL=https://gitlab/api/v4", "CI_PROJECT_ID=5", "CI_MERGE_REQUEST_IID=7", "CI_COMMIT_SHA=c0ffee")
			write := func(n int, more string) string {
				if err := os.MkdirAll(filepath.Join(b.dir, "topologies"), 0o700); err != nil {
					t.Fatal(err)
				}
				return b.write(filepath.Join("topologies", "orders.yaml"), shape{masters: n, nodes: first(n), more: more})
			}
			file := write(3, "")
			b.recipe(t, r, r.plan, 0)
			b.recipe(t, r, r.apply, 0)
			b.settled(file)
			b.recipe(t, r, r.plan, 0)
			b.recipe(t, r, r.apply, 0) // nothing was to be done, and is not

			file = write(4, "")
			b.untouched(first(4), func() { b.recipe(t, r, r.apply, 2) }) // the request said that nothing changes
			b.recipe(t, r, r.plan, 0)
			write(2, "  allow: {shrinkTo: 2}\n") // merged is something else
			b.untouched(first(4), func() { mentions(t, b.recipe(t, r, r.apply, 3), "StaleApproval") })
			write(4, "")
			b.recipe(t, r, r.apply, 0)
			b.settled(file)
		})
	}
}

// recipe runs commands one after the other, as a CI does, and demands the exit
// code of the last one that ran.
func (b *bench) recipe(t *testing.T, r recipe, commands []string, code int) string {
	t.Helper()
	var out bytes.Buffer
	got := 0
	for _, command := range commands {
		cmd := exec.Command(r.shell[0], append(r.shell[1:], command)...)
		cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = b.env, b.dir, &out, &out
		if err := cmd.Run(); err != nil {
			got = cmd.ProcessState.ExitCode()
			break
		}
	}
	if got != code {
		t.Fatalf("exit code %d, want %d: %s\n%s", got, code, strings.Join(commands, "\n"), out.String())
	}
	return out.String()
}
