package processing

import (
	"encoding/binary"
	"math"
)

// Levels of BT.2100 and BT.2408, in cd/m².
const (
	referenceWhite = 203  // of ordinary video shown among HDR
	hlgPeak        = 1000 // of the display that HLG is defined for
	pqPeak         = 10000
)

// wideColour returns how an ordinary colour is written in HDR, as BT.2408
// tells: as it looks on an ordinary screen (BT.1886), its white at 203 cd/m²,
// as 16-bit BT.2020 R'G'B'. It shares no code with ffmpeg.
func wideColour(transfer string) func(pixel) []byte {
	return func(p pixel) []byte {
		var light [3]float64
		for i, v := range p {
			light[i] = math.Pow(float64(v)/255, 2.4) * referenceWhite
		}
		return encodeWide(light, transfer)
	}
}

// encodeWide writes light on the display, as BT.709 red, green and blue in
// cd/m².
func encodeWide(light [3]float64, transfer string) []byte {
	wide := [3]float64{ // BT.2087
		0.6274*light[0] + 0.3293*light[1] + 0.0433*light[2],
		0.0691*light[0] + 0.9195*light[1] + 0.0114*light[2],
		0.0164*light[0] + 0.0880*light[1] + 0.8956*light[2],
	}
	luminance := 0.2627*wide[0] + 0.6780*wide[1] + 0.0593*wide[2]
	var out []byte
	for _, l := range wide {
		v := pqSignal(l)
		if transfer == "arib-std-b67" {
			v = hlgSignal(l, luminance)
		}
		out = binary.LittleEndian.AppendUint16(out, uint16(math.Round(min(max(v, 0), 1)*65535)))
	}
	return out
}

// pqSignal is the inverse EOTF of SMPTE ST 2084.
func pqSignal(light float64) float64 {
	y := math.Pow(light/pqPeak, 0.1593017578125)
	return math.Pow((0.8359375+18.8515625*y)/(1+18.6875*y), 78.84375)
}

// hlgSignal undoes the OOTF of a 1000 cd/m² display and applies the OETF of
// ARIB STD-B67.
func hlgSignal(light, luminance float64) float64 {
	if luminance <= 0 {
		return 0
	}
	scene := light / hlgPeak * math.Pow(luminance/hlgPeak, (1-1.2)/1.2)
	if scene <= 1.0/12 {
		return math.Sqrt(3 * scene)
	}
	return 0.17883277*math.Log(12*scene-0.28466892) + 0.55991073
}
