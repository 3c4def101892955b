package monitor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStagesOf_LeavesTheOneThatGoesOnOpen(t *testing.T) {
	t.Parallel()
	const text = "probe 0,encode 400"
	encode := func(took time.Duration) Stage {
		return Stage{Name: "encode", Began: 400 * time.Millisecond, Took: took}
	}
	probe := Stage{Name: "probe", Took: 400 * time.Millisecond}
	require.Equal(t, []Stage{probe, encode(600 * time.Millisecond)}, stagesOf(text, time.Second))
	require.Equal(t, []Stage{probe, encode(0)}, stagesOf(text, time.Time{}.Sub(time.Now())), "it has not ended")
	require.Equal(t, []Stage{probe}, stagesOf("probe 0,encode x", 400*time.Millisecond))
	require.Empty(t, stagesOf("", time.Second))
}
