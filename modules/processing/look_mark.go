package processing

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
)

// watermarkSide is the width and height of the watermark in pixels, without
// its shadow; even.
func watermarkSide(height int) int { return max(8, height*13/100) &^ 1 }

// markShadow is how far the watermark's shadow reaches beyond it; even.
func markShadow(height int) int { return max(2, watermarkSide(height)/6) &^ 1 }

// drawWatermark draws the logo for pictures of height: a light rim that stands
// out on dark footage, around it a dark line and a soft shadow that make the
// rim stand out on light footage; all of it slightly see-through.
func drawWatermark(height int) (*image.RGBA, error) {
	const opacity = 0xE6
	side, shadow := watermarkSide(height), markShadow(height)
	full := side + 2*shadow
	mark, badge := image.NewRGBA(image.Rect(0, 0, full, full)), image.NewRGBA(image.Rect(0, 0, full, full))
	keyline := float64(side) / 40
	middle, radius := float64(full)/2, float64(side)/2
	for y := range full {
		for x := range full {
			beyond := math.Hypot(float64(x)+0.5-middle, float64(y)+0.5-middle) - radius
			disc := min(1, max(0, 0.5-beyond)) // its edge is one pixel soft
			v := uint8(math.Round(255 * disc))
			badge.SetRGBA(x, y, color.RGBA{v, v, v, v})
			line := 0.7 * min(1, max(0, keyline+0.5-beyond))
			soft := 0.42 * math.Pow(max(0, 1-max(0, beyond)/float64(shadow)), 2)
			dark := max(line, soft)
			mark.SetRGBA(x, y, color.RGBA{A: uint8(math.Round(255 * dark * (1 - disc)))})
		}
	}
	inner := side - 2*max(1, int(math.Round(float64(side)/30)))
	logo, err := rasterise(logoSVG, inner, inner)
	if err != nil {
		return nil, err
	}
	corner := image.Pt((full-inner)/2, (full-inner)/2)
	draw.Draw(badge, logo.Bounds().Add(corner), logo, image.Point{}, draw.Over)
	seeThrough := image.NewUniform(color.Alpha{opacity})
	draw.DrawMask(mark, mark.Bounds(), badge, image.Point{}, seeThrough, image.Point{}, draw.Over)
	return mark, nil
}

// watermarkFilter lays the second input, a single picture, over the first, a
// body of so many frames. It slides in from the right edge and out again; in
// between it does not move.
func (c EncoderConfig) watermarkFilter(frames int64) string {
	shadow := markShadow(c.Height)
	at := c.markArea().Min.Sub(image.Pt(shadow, shadow))
	x := fmt.Sprint(at.X)
	if first, last := c.markSettled(frames); first > 0 {
		x = fmt.Sprintf("'round(%d+%d*(pow(1-clip(t*%[3]d/%[4]d,0,1),3)+pow(clip((t*%[3]d-%[5]d)/%[4]d,0,1),3)))'",
			at.X, c.Width-at.X, c.FPS, first, last)
	}
	return fmt.Sprintf("overlay=x=%s:y=%d", x, at.Y)
}
