package processing

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"anb/platform/ffmpeg"
)

// check looks at one trait of a published video. That each finds what it
// should, and nothing else, is shown by TestPhoneChecks_RejectWhatIsWrong.
type check struct {
	name string
	find func(finished, wanted) error
}

func phoneChecks() []check {
	return []check{
		{"upright", checkUpright}, {"round", checkRound}, {"bars", checkBars}, {"order", checkOrder}, {"mark", checkMark},
		{"cards", checkCards}, {"colour", checkColour}, {"times", checkTimestamps}, {"frames", checkFrames}, {"format", checkFormat},
		{"metadata", checkSecrets}, {"index", checkIndex}, {"clean", checkClean},
	}
}

// complaintsOf returns what each check says, by its name.
func complaintsOf(f finished, w wanted) map[string]error {
	found := map[string]error{}
	for _, c := range phoneChecks() {
		if err := c.find(f, w); err != nil {
			found[c.name] = err
		}
	}
	return found
}

// checkUpright asks which corner colour is nearest to what each corner shows.
func checkUpright(f finished, w wanted) error {
	p, pic := placed(w.aspect), f.middle()
	var errs []error
	for _, corner := range cardCorners {
		got := p.mean(pic, corner.x, corner.y)
		nearest := slices.MinFunc(cardCorners, func(a, b patch) int { return got.away(a.color) - got.away(b.color) })
		if nearest.name != corner.name {
			errs = append(errs, fmt.Errorf("%s corner looks %s: %v", corner.name, nearest.name, got))
		}
	}
	return errors.Join(errs...)
}

// checkRound measures the disc across and down.
func checkRound(f finished, w wanted) error {
	p, pic := placed(w.aspect), f.middle()
	across, down := 0, 0
	for x := range testWidth {
		if _, _, ok := p.inside(x, testHeight/2, 0); ok && pic.at(x, testHeight/2)[1] > 205 {
			across++
		}
	}
	for y := range testHeight {
		if _, v, ok := p.inside(testWidth/2, y, 0); ok && v > 0.24 && v < 0.76 && pic.at(testWidth/2, y)[1] > 205 {
			down++
		}
	}
	want := int(min(p.width, p.height) / 2)
	if max(across-want, want-across) > 4 || max(down-want, want-down) > 4 || max(across-down, down-across) > 3 {
		return fmt.Errorf("disc is %d across and %d down instead of %d", across, down, want)
	}
	return nil
}

// markZone is where the watermark may be: the upper right.
func markZone(x, y int) bool { return x > testWidth*3/4 && y < testHeight*3/10 }

// checkBars asks for black beside the picture and no black inside its edges.
func checkBars(f finished, w wanted) error {
	p, pic := placed(w.aspect), f.middle()
	for y := range testHeight {
		for x := range testWidth {
			// A picture's edge may fall between two pixels, and sizes are even.
			if _, _, ok := p.inside(x, y, -3); ok || markZone(x, y) {
				continue
			}
			if c := pic.at(x, y); c.away(black) > 40 {
				return fmt.Errorf("bar shows %v at %d,%d", c, x, y)
			}
		}
	}
	for _, side := range [][2]float64{{0.03, 0.12}, {0.97, 0.88}, {0.12, 0.04}, {0.88, 0.96}} {
		if c := p.mean(pic, side[0], side[1]); c.away(black) < 60 {
			return fmt.Errorf("picture is black at %v", side)
		}
	}
	return nil
}

// checkOrder reads the number of every picture.
func checkOrder(f finished, w wanted) error {
	got := f.numbers(placed(w.aspect))
	if w.before != 0 {
		half := len(got) / 2
		got = append(f.numbers(placed(w.before))[:half], got[half:]...)
	}
	if !slices.Equal(got, w.numbers) {
		return fmt.Errorf("body shows %v instead of %v", got, w.numbers)
	}
	return nil
}

// checkCards compares what is before and after the body with the two cards,
// picture by picture, and the cards with nothing and with each other.
func checkCards(f finished, w wanted) error {
	dark := make(picture, testWidth*testHeight*3)
	for name, card := range map[string][]picture{"opening": w.opening, "closing": w.closing} {
		if len(card) != cardFrames || card[cardFrames/2].apart(dark) < 8 {
			return fmt.Errorf("%s card is dark in its middle or has %d pictures", name, len(card))
		}
	}
	if w.opening[cardFrames/2].apart(w.closing[cardFrames/2]) < 2 {
		return errors.New("cards are alike")
	}
	if len(f.pictures) < 2*cardFrames {
		return errors.New("too short for cards")
	}
	for i := range cardFrames {
		if d := f.pictures[i].apart(w.opening[i]); d > 3 {
			return fmt.Errorf("picture %d is not the opening card's: %.1f apart", i, d)
		}
		if d := f.pictures[len(f.pictures)-cardFrames+i].apart(w.closing[i]); d > 3 {
			return fmt.Errorf("picture %d from the end is not the closing card's: %.1f apart", cardFrames-i, d)
		}
	}
	return nil
}

// checkColour compares every patch and every corner.
func checkColour(f finished, w wanted) error {
	var errs []error
	for name, d := range colourErrors(f, w) {
		if d > w.tolerance {
			errs = append(errs, fmt.Errorf("%s is %d off", name, d))
		}
	}
	return errors.Join(errs...)
}

func colourErrors(f finished, w wanted) map[string]int {
	p, pic, found := placed(w.aspect), f.middle(), map[string]int{}
	for _, set := range [][]patch{cardCorners, cardPatches} {
		for _, patch := range set {
			found[patch.name] = p.mean(pic, patch.x, patch.y).away(patch.color)
		}
	}
	return found
}

// checkTimestamps asks that one picture follows another by exactly a thirtieth
// of a second, as shown and as stored.
func checkTimestamps(f finished, _ wanted) error {
	if len(f.info.Streams) == 0 || len(f.packets) == 0 {
		return errors.New("no packets")
	}
	base := f.info.Streams[0].TimeBase
	if base.Num != 1 || base.Den%30 != 0 {
		return fmt.Errorf("a thirtieth of a second is no whole number of %s", base)
	}
	step := base.Den / 30
	var shown []int64
	for i, p := range f.packets {
		if i > 0 && p.DTS-f.packets[i-1].DTS != step {
			return fmt.Errorf("packet %d is stored %d after the one before it instead of %d", i, p.DTS-f.packets[i-1].DTS, step)
		}
		if p.Duration != step {
			return fmt.Errorf("packet %d lasts %d instead of %d", i, p.Duration, step)
		}
		shown = append(shown, p.PTS)
	}
	slices.Sort(shown)
	for i, pts := range shown {
		if pts != int64(i)*step {
			return fmt.Errorf("picture %d is shown at %d instead of %d", i, pts, int64(i)*step)
		}
	}
	return nil
}

func checkFrames(f finished, w wanted) error {
	want := len(w.numbers) + 2*cardFrames
	if len(f.packets) != want || len(f.pictures) != want {
		return fmt.Errorf("%d packets and %d pictures instead of %d", len(f.packets), len(f.pictures), want)
	}
	return nil
}

func checkFormat(f finished, _ wanted) error {
	if len(f.info.Streams) != 1 {
		return fmt.Errorf("%d streams", len(f.info.Streams))
	}
	s := f.info.Streams[0]
	got := []any{
		s.Kind, s.Codec, s.Profile, s.PixFmt, s.Width, s.Height, s.SAR, s.Rotation,
		s.AverageRate, s.ColorRange, s.ColorSpace, s.ColorTransfer, s.ColorPrimaries,
	}
	want := []any{
		"video", "h264", "High", "yuv420p", testWidth, testHeight, ffmpeg.Ratio{Num: 1, Den: 1}, 0,
		ffmpeg.Ratio{Num: 30, Den: 1}, "tv", "bt709", "bt709", "bt709",
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("format is %v instead of %v", got, want)
	}
	return nil
}

func checkSecrets(f finished, w wanted) error {
	if found := containsAny(f.data, w.secrets); found != "" {
		return fmt.Errorf("file tells %s", found)
	}
	return checkTags(f.info)
}

func checkIndex(f finished, _ wanted) error {
	kinds, err := topBoxes(bytes.NewReader(f.data), int64(len(f.data)))
	if err != nil {
		return err
	}
	if moov, mdat := slices.Index(kinds, "moov"), slices.Index(kinds, "mdat"); moov < 0 || mdat < moov {
		return fmt.Errorf("boxes come as %v", kinds)
	}
	return nil
}

func checkClean(f finished, _ wanted) error {
	if f.complaints != "" {
		return fmt.Errorf("decoder says: %s", f.complaints)
	}
	return nil
}
