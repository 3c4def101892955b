package processing

import "fmt"

// checkMark compares the upper right with what the card has there, between
// half a second after the body's first picture and half a second before its
// last. Where the card itself changes colour is left out.
func checkMark(f finished, w wanted) error {
	if w.before != 0 {
		return nil
	}
	p, card, body := placed(w.aspect), testCard{aspect: w.aspect}, f.body()
	at := func(x, y int) pixel {
		if u, v, ok := p.inside(x, y, 0); ok {
			return card.at(u, v)
		}
		return black
	}
	// What colour the corner really has is for another check.
	corner := cardCorners[1]
	seen := map[pixel]pixel{black: black, corner.color: p.mean(f.middle(), corner.x, corner.y), ground: p.mean(f.middle(), 0.1, 0.5)}
	from, to := cardFrames, len(body)-cardFrames
	if to <= from {
		from, to = len(body)/2, len(body)/2+1
	}
	for i := from; i < min(to, len(body)); i += 6 {
		marked := 0
		for y := 0; y < testHeight*3/10; y++ {
			for x := testWidth*3/4 + 1; x < testWidth; x++ {
				if !evenAround(at, x, y) || body[i].at(x, y).away(seen[at(x, y)]) < 50 {
					continue
				}
				if marked++; x >= testWidth*97/100 || y < testHeight*3/100 {
					return fmt.Errorf("mark at %d,%d of picture %d is outside the safe area", x, y, i)
				}
			}
		}
		if marked < 80 {
			return fmt.Errorf("only %d pixels are marked on picture %d", marked, i)
		}
	}
	return nil
}

// evenAround reports whether a picture has one colour for three pixels around
// a point.
//
//go:norace
func evenAround(at func(x, y int) pixel, x, y int) bool {
	for _, d := range [][2]int{{-3, 0}, {3, 0}, {0, -3}, {0, 3}, {-3, -3}, {3, 3}, {-3, 3}, {3, -3}} {
		if at(x+d[0], y+d[1]) != at(x, y) {
			return false
		}
	}
	return true
}
