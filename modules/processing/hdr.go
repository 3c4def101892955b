package processing

import (
	"bytes"
	"fmt"
	"math"
	"os"
)

// Light of a screen, in cd/m².
const (
	paperWhite  = 203   // of ordinary video shown among HDR: BT.2408
	brightest   = 1000  // that phones film and HLG is defined for; what is lighter becomes white
	pqBrightest = 10000 // that PQ can write
)

// knee is the part of paperWhite up to which light stays what it is. Lighter
// light is pressed into what is left below white, so that clouds and lamps
// keep their shape: white paper becomes 244 of 255.
const knee = 0.8

// cubeSize is the number of points on each side of a table of colours. Between
// them ffmpeg interpolates.
const cubeSize = 49

// cubeName is the table's file in the job's folder.
const cubeName = "colours.cube"

// writeCube writes the table that turns the colours of HDR into ordinary ones
// into path. It takes a tenth of a second; looking colours up in it costs
// ffmpeg three quarters of what its own, coarser tone mapping does (ADR 0019).
func writeCube(path, transfer string) error {
	if err := os.WriteFile(path, cube(transfer), 0o600); err != nil {
		return fmt.Errorf("write table of colours: %w", err)
	}
	return nil
}

// cube is the table in the format of Adobe's .cube files: red changes fastest.
func cube(transfer string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "LUT_3D_SIZE %d\n", cubeSize)
	at := func(i int) float64 { return float64(i) / (cubeSize - 1) }
	for blue := range cubeSize {
		for green := range cubeSize {
			for red := range cubeSize {
				c := ordinary([3]float64{at(red), at(green), at(blue)}, transfer)
				fmt.Fprintf(&b, "%.5f %.5f %.5f\n", c[0], c[1], c[2])
			}
		}
	}
	return b.Bytes()
}

// ordinary turns a colour of HDR, as BT.2020 R'G'B' from 0 to 1, into what
// looks the same on an ordinary screen (BT.709 and BT.1886).
func ordinary(signal [3]float64, transfer string) [3]float64 {
	light := pqLight(signal)
	if transfer == "arib-std-b67" {
		light = hlgLight(signal)
	}
	c := [3]float64{ // BT.2087, backwards
		1.6605*light[0] - 0.5876*light[1] - 0.0728*light[2],
		-0.1246*light[0] + 1.1329*light[1] - 0.0083*light[2],
		-0.0182*light[0] - 0.1006*light[1] + 1.1187*light[2],
	}
	most := max(c[0], c[1], c[2])
	if most <= 0 {
		return [3]float64{}
	}
	scale := shoulder(most/paperWhite) / most // of all three: the hue stays
	for i := range c {
		c[i] = math.Pow(min(max(c[i]*scale, 0), 1), 1/2.4)
	}
	return c
}

// shoulder is the curve of light, where 1 is paperWhite: straight up to knee,
// then the Möbius transformation that goes on smoothly and reaches 1 at
// brightest.
func shoulder(x float64) float64 {
	const peak = float64(brightest) / paperWhite
	if x <= knee {
		return x
	}
	a := -knee * knee * (peak - 1) / (knee*knee - 2*knee + peak)
	b := (knee*knee - 2*knee*peak + peak) / (peak - 1)
	return min(1, (b*b+2*b*knee+knee*knee)/(b-a)*(x+a)/(x+b))
}

// pqLight is the EOTF of SMPTE ST 2084.
func pqLight(signal [3]float64) [3]float64 {
	const m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
	var light [3]float64
	for i, v := range signal {
		p := math.Pow(v, 1/m2)
		light[i] = pqBrightest * math.Pow(max(p-c1, 0)/(c2-c3*p), 1/m1)
	}
	return light
}

// hlgLight is the inverse OETF of ARIB STD-B67 and the OOTF of a screen of
// brightest, whose exponent follows luminance and not each colour by itself:
// else red shirts glow.
func hlgLight(signal [3]float64) [3]float64 {
	const a, b, c, gamma = 0.17883277, 0.28466892, 0.55991073, 1.2
	var light [3]float64
	for i, v := range signal {
		if v <= 0.5 {
			light[i] = v * v / 3
		} else {
			light[i] = (math.Exp((v-c)/a) + b) / 12
		}
	}
	luminance := 0.2627*light[0] + 0.6780*light[1] + 0.0593*light[2]
	if luminance <= 0 {
		return [3]float64{}
	}
	for i := range light {
		light[i] *= brightest * math.Pow(luminance, gamma-1)
	}
	return light
}
