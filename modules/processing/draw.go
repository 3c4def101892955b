package processing

import (
	"bytes"
	_ "embed"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"

	"github.com/srwiley/oksvg"
	"github.com/srwiley/rasterx"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

//go:embed assets/logo.svg
var logoSVG []byte

//go:embed assets/card.svg
var cardSVG []byte

// rasterise draws a vector image, stretched to width and height, on nothing.
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

// words is a line of text in the bold face.
type words struct {
	text     string
	size     float64 // height of the face in pixels
	spacing  float64 // added after each letter, in pixels
	baseline int
	color    color.Color
}

// draw writes the line, centred at x.
func (w words) draw(dst draw.Image, x int) error {
	parsed, err := opentype.Parse(gobold.TTF)
	if err != nil {
		return fmt.Errorf("parse typeface: %w", err)
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: w.size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return fmt.Errorf("make typeface of %g px: %w", w.size, err)
	}
	defer face.Close()
	spacing := fixed.Int26_6(w.spacing * 64)
	total := -spacing
	for _, r := range w.text {
		advance, _ := face.GlyphAdvance(r)
		total += advance + spacing
	}
	pen := font.Drawer{Dst: dst, Src: image.NewUniform(w.color), Face: face, Dot: fixed.Point26_6{X: fixed.I(x) - total/2, Y: fixed.I(w.baseline)}}
	for _, r := range w.text {
		pen.DrawString(string(r))
		pen.Dot.X += spacing
	}
	return nil
}

// card is what one of the two cards says.
type card struct{ title, subtitle string }

func openingCard() card {
	return card{"RISING STARS SHOWCASE", "Asociación Nacional de Baloncesto"}
}

func closingCard() card {
	return card{"¡VOTA POR TU FAVORITO!", "ANB · Rising Stars Showcase"}
}

// drawCard draws a card; sizes follow the height, so that every resolution
// looks alike.
func drawCard(c card, width, height int) (*image.RGBA, error) {
	picture, err := rasterise(cardSVG, width, height)
	if err != nil {
		return nil, err
	}
	unit := float64(height) / 720
	side := int(330 * unit)
	logo, err := rasterise(logoSVG, side, side)
	if err != nil {
		return nil, err
	}
	corner := image.Pt((width-side)/2, int(270*unit)-side/2)
	draw.Draw(picture, logo.Bounds().Add(corner), logo, image.Point{}, draw.Over)
	orange := color.RGBA{0xFB, 0x9A, 0x3C, 0xFF}
	// Narrow pictures get smaller words.
	fit := unit * min(1, float64(width)/float64(height)*9/16)
	for _, w := range []words{
		{text: c.title, size: 64 * fit, spacing: 5 * fit, baseline: int(552 * unit), color: color.White},
		{text: c.subtitle, size: 32 * fit, spacing: 2 * fit, baseline: int(614 * unit), color: orange},
	} {
		if err := w.draw(picture, width/2); err != nil {
			return nil, err
		}
	}
	return picture, nil
}

// watermarkSide is the width and height of the watermark in pixels.
func watermarkSide(height int) int { return max(8, height*23/200) }

// drawWatermark draws the logo, slightly transparent, for pictures of height.
func drawWatermark(height int) (*image.RGBA, error) {
	side := watermarkSide(height)
	logo, err := rasterise(logoSVG, side, side)
	if err != nil {
		return nil, err
	}
	faded := image.NewRGBA(logo.Bounds())
	draw.DrawMask(faded, faded.Bounds(), logo, image.Point{}, image.NewUniform(color.Alpha{0xDC}), image.Point{}, draw.Src)
	return faded, nil
}

func encodePNG(picture image.Image) ([]byte, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return nil, fmt.Errorf("encode PNG: %w", err)
	}
	return b.Bytes(), nil
}
