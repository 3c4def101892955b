package processing

import (
	"fmt"
	"image"
	"image/color"
	"strings"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/norm"
)

// words is a line of text in the bold face. Lengths are in pixels.
type words struct {
	text    string
	size    float64 // height of the face
	spacing float64 // added between letters
	color   color.NRGBA
}

// typeface returns the bold face; the caller closes it.
func typeface(size float64) (font.Face, error) {
	parsed, err := opentype.Parse(gobold.TTF)
	if err != nil {
		return nil, fmt.Errorf("parse typeface: %w", err)
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return nil, fmt.Errorf("make typeface of %g px: %w", size, err)
	}
	return face, nil
}

func (w words) width(face font.Face) fixed.Int26_6 {
	var total fixed.Int26_6
	for _, r := range w.text {
		advance, _ := face.GlyphAdvance(r)
		total += advance + fixed.Int26_6(w.spacing*64)
	}
	return max(0, total-fixed.Int26_6(w.spacing*64))
}

// draw returns a picture of the line alone, and where its baseline is in it.
func (w words) draw() (picture *image.RGBA, baseline int, err error) {
	face, err := typeface(w.size)
	if err != nil {
		return nil, 0, err
	}
	defer face.Close()
	m := face.Metrics()
	baseline = m.Ascent.Ceil()
	picture = image.NewRGBA(image.Rect(0, 0, w.width(face).Ceil()+2, baseline+m.Descent.Ceil()))
	pen := font.Drawer{Dst: picture, Src: image.NewUniform(w.color), Face: face, Dot: fixed.P(1, baseline)}
	for _, r := range w.text {
		pen.DrawString(string(r))
		pen.Dot.X += fixed.Int26_6(w.spacing * 64)
	}
	return picture, baseline, nil
}

// fitted returns w no wider than width: smaller, down to the size least, and
// then cut.
func (w words) fitted(width int, least float64) (words, error) {
	face, err := typeface(w.size)
	if err != nil {
		return w, err
	}
	wide := w.width(face)
	if err := face.Close(); err != nil {
		return w, fmt.Errorf("close typeface: %w", err)
	}
	if wide <= fixed.I(width) {
		return w, nil
	}
	shrunk := max(least/w.size, float64(width)/(float64(wide)/64+1))
	w.size, w.spacing = w.size*shrunk, w.spacing*shrunk
	if face, err = typeface(w.size); err != nil {
		return w, err
	}
	defer face.Close()
	for letters := []rune(w.text); w.width(face) > fixed.I(width) && len(letters) > 0; {
		letters = letters[:len(letters)-1]
		w.text = strings.TrimRight(string(letters), " ") + "…"
	}
	return w, nil
}

// legible makes a player's words fit to be drawn: composed letters, single
// spaces, nothing invisible. It returns "" when the typeface lacks a letter:
// boxes are worse than nothing.
func legible(s string) (string, error) {
	parsed, err := opentype.Parse(gobold.TTF)
	if err != nil {
		return "", fmt.Errorf("parse typeface: %w", err)
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, norm.NFC.String(strings.ToValidUTF8(s, "")))
	s = strings.Join(strings.Fields(s), " ")
	var buffer sfnt.Buffer
	for _, r := range s {
		glyph, err := parsed.GlyphIndex(&buffer, r)
		if err != nil {
			return "", fmt.Errorf("look up letter %U: %w", r, err)
		}
		// A mark that is not part of its letter would stand beside it.
		if glyph == 0 || unicode.Is(unicode.M, r) {
			return "", nil
		}
	}
	return s, nil
}
