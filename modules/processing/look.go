package processing

import (
	"image"
	"image/color"
	"math"
	"time"
)

// Sizes of the design, which is drawn for pictures of 1280x720 and scaled to
// fit others.
const (
	designWidth  = 1280
	designHeight = 720
	// safe is the part of width and of height at either edge that screens may
	// hide or crowd: beside the title area of SMPTE ST 2046-1, 90 % of each.
	safe = 0.05
)

// markSlide is how long the watermark takes to come and to go.
const markSlide = 400 * time.Millisecond

// The colours of the house.
var (
	paper = color.NRGBA{0xFF, 0xFF, 0xFF, 0xFF}
	navy  = color.NRGBA{0x0B, 0x1B, 0x3B, 0xFF}
	flame = color.NRGBA{0xFB, 0x9A, 0x3C, 0xFF}
)

// stage maps the design onto a picture's size.
type stage struct {
	width, height int
	unit          float64 // pixels for one of the design's
}

func (c EncoderConfig) stage() stage {
	w, h := float64(c.Width), float64(c.Height)
	return stage{width: c.Width, height: c.Height, unit: min(w/designWidth, h/designHeight)}
}

// px is a length; at least one pixel.
func (s stage) px(length float64) int { return max(1, int(math.Round(length*s.unit))) }

// point is a place of the design, which lies in the middle.
func (s stage) point(x, y float64) image.Point {
	return image.Pt(
		int(math.Round(float64(s.width)/2+(x-designWidth/2)*s.unit)),
		int(math.Round(float64(s.height)/2+(y-designHeight/2)*s.unit)),
	)
}

// titleSafe is the part of the picture that every screen shows well.
func (c EncoderConfig) titleSafe() image.Rectangle {
	x, y := int(math.Ceil(float64(c.Width)*safe)), int(math.Ceil(float64(c.Height)*safe))
	return image.Rect(x, y, c.Width-x, c.Height-y)
}

// markArea is where the watermark rests, without its shadow.
func (c EncoderConfig) markArea() image.Rectangle {
	area := c.titleSafe()
	side := watermarkSide(c.Height)
	left := (area.Max.X - side) &^ 1 // colours have half the resolution
	top := (area.Min.Y + 1) &^ 1
	return image.Rect(left, top, left+side, top+side)
}

// markSettled are the first and the last picture, counted from the beginning
// of a body of so many frames, in which the watermark is in its place; before
// and after it comes and goes.
func (c EncoderConfig) markSettled(frames int64) (first, last int64) {
	slide := min(c.frames(markSlide), frames/4)
	return slide, frames - 1 - slide
}
