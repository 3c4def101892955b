package videos

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

type sizes struct {
	OriginalMS      *int64 `gorm:"column:original_ms"`
	OriginalWidth   *int
	OriginalHeight  *int
	OriginalCodec   *string
	ProcessedMS     *int64 `gorm:"column:processed_ms"`
	ProcessedWidth  *int
	ProcessedHeight *int
}

func (b *bundle) sizes(t *testing.T, id uuid.UUID) (s sizes) {
	t.Helper()
	require.NoError(t, b.db.Read(t.Context()).Table("videos").Where("id = ?", id).Take(&s).Error)
	return s
}

func TestUpload_WritesDownWhatTheFileIsLike(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		require.Equal(t, 201, b.upload(t, goodForm(10)).status)
		v := b.stored(t, content(10))
		ms, width, height, codec := int64(30_000), 1080, 1920, "hevc"
		want := sizes{OriginalMS: &ms, OriginalWidth: &width, OriginalHeight: &height, OriginalCodec: &codec}
		require.Equal(t, want, b.sizes(t, v.ID))
		require.NoError(t, b.catalog.Measure(t.Context(), v.ID, Measured{Duration: time.Second, Codec: "other"}))
		require.Equal(t, want, b.sizes(t, v.ID), "what is known stays")

		_, err := b.catalog.Publish(t.Context(), v.ID, Published{VideoKey: "p.mp4", ThumbnailKey: "p.jpg", Duration: 35 * time.Second, Width: 1280, Height: 720})
		require.NoError(t, err)
		long, wide, high := int64(35_000), 1280, 720
		want.ProcessedMS, want.ProcessedWidth, want.ProcessedHeight = &long, &wide, &high
		require.Equal(t, want, b.sizes(t, v.ID))
	})
}

func TestMeasure_MakesUpForAnOlderVersion(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		require.Equal(t, 201, b.upload(t, goodForm(10)).status)
		v := b.stored(t, content(10))
		require.NoError(t, d.Write(t.Context()).Exec("UPDATE videos SET original_ms = NULL, original_width = NULL, original_height = NULL, original_codec = NULL").Error)
		source, err := b.catalog.Source(t.Context(), v.ID)
		require.NoError(t, err)
		require.False(t, source.Measured)
		require.NoError(t, b.catalog.Measure(t.Context(), v.ID, phone()))
		source, err = b.catalog.Source(t.Context(), v.ID)
		require.NoError(t, err)
		require.True(t, source.Measured)
		require.Equal(t, "hevc", *b.sizes(t, v.ID).OriginalCodec)
	})
}

func TestReopen_MakesOnlyAFailedVideoWaitAgain(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		reopened := func(id uuid.UUID) (was string) {
			t.Helper()
			require.NoError(t, d.InTx(t.Context(), func(ctx context.Context) (err error) {
				was, err = b.catalog.Reopen(ctx, id)
				return err
			}))
			return was
		}
		require.Empty(t, reopened(uuid.New()), "it was deleted")
		require.Equal(t, 201, b.upload(t, goodForm(10)).status)
		v := b.stored(t, content(10))
		require.Equal(t, "uploaded", reopened(v.ID))
		require.NoError(t, b.catalog.Fail(t.Context(), v.ID, "CANCELLED"))
		require.Equal(t, "failed", reopened(v.ID))
		now, err := b.store.get(t.Context(), v.ID)
		require.NoError(t, err)
		require.Equal(t, Uploaded, now.Status)
		require.Empty(t, now.FailureCode)
		_, err = b.catalog.Publish(t.Context(), v.ID, Published{VideoKey: "p.mp4", ThumbnailKey: "p.jpg"})
		require.NoError(t, err)
		require.Equal(t, "processed", reopened(v.ID))
		now, err = b.store.get(t.Context(), v.ID)
		require.NoError(t, err)
		require.Equal(t, Processed, now.Status)
	})
}
