package processing

import (
	"bytes"
	_ "embed"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"

	"github.com/srwiley/oksvg"
	"github.com/srwiley/rasterx"
)

//go:embed assets/logo.svg
var logoSVG []byte

//go:embed assets/ground.svg
var groundSVG []byte

//go:embed assets/court.svg
var courtSVG []byte

//go:embed assets/stripe1.svg
var wedgeSVG []byte

//go:embed assets/stripe2.svg
var wideStripeSVG []byte

//go:embed assets/stripe3.svg
var thinStripeSVG []byte

// rasterise draws a vector image, stretched to width and height, on nothing.
// Of gradients the library scales only those that count in their path's box.
func rasterise(svg []byte, width, height int) (*image.RGBA, error) {
	icon, err := oksvg.ReadIconStream(bytes.NewReader(svg), oksvg.StrictErrorMode)
	if err != nil {
		return nil, fmt.Errorf("read vector image: %w", err)
	}
	w, h := float64(width), float64(height)
	// The library scales paths but not the width of their lines.
	grown := math.Sqrt(w * h / (icon.ViewBox.W * icon.ViewBox.H))
	for i := range icon.SVGPaths {
		icon.SVGPaths[i].LineWidth *= grown
	}
	icon.SetTarget(0, 0, w, h)
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	scanner := rasterx.NewScannerGV(width, height, picture, picture.Bounds())
	icon.Draw(rasterx.NewDasher(width, height, scanner), 1)
	return picture, nil
}

// flipped mirrors p from left to right, from top to bottom, or both.
func flipped(p *image.RGBA, across, down bool) *image.RGBA {
	size := p.Bounds().Size()
	out := image.NewRGBA(image.Rect(0, 0, size.X, size.Y))
	for y := range size.Y {
		from := p.Pix[y*p.Stride:][:4*size.X]
		if down {
			y = size.Y - 1 - y
		}
		to := out.Pix[y*out.Stride:][:4*size.X]
		if !across {
			copy(to, from)
			continue
		}
		for i := 0; i < len(from); i += 4 {
			copy(to[len(to)-4-i:], from[i:i+4])
		}
	}
	return out
}

// straight returns p with its colours not multiplied by their opacity, and with
// rim in the empty places: ffmpeg mixes neighbours without regard to opacity
// where it changes sizes or halves the resolution of colours, and black would
// seep into the edges.
func straight(p *image.RGBA, rim color.NRGBA) *image.NRGBA {
	out := image.NewNRGBA(p.Bounds())
	for i := 0; i < len(p.Pix); i += 4 {
		from, to := p.Pix[i:i+4:i+4], out.Pix[i:i+4:i+4]
		a := uint32(from[3])
		if a == 0 {
			to[0], to[1], to[2] = rim.R, rim.G, rim.B
			continue
		}
		for k := range 3 {
			to[k] = uint8(min(255, (uint32(from[k])*255+a/2)/a)) //nolint:gosec // at most 255
		}
		to[3] = from[3]
	}
	return out
}

// encodePNG is quick: most of the files live as long as one run of ffmpeg.
func encodePNG(picture image.Image) ([]byte, error) {
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := e.Encode(&b, picture); err != nil {
		return nil, fmt.Errorf("encode PNG: %w", err)
	}
	return b.Bytes(), nil
}
