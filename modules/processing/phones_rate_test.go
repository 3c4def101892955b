package processing

func ratePhones() []phone {
	seconds := func(n int, rate string) shot { return shot{card: testCard{frames: n}, rate: rate} }
	fine := []string{"-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-video_track_timescale", "90000"}
	return []phone{
		{group: "Rate", input: "film, 23.976", shot: seconds(48, "24000/1001")},
		{group: "Rate", input: "24", shot: seconds(48, "24")},
		{group: "Rate", input: "European, 25", shot: seconds(50, "25")},
		{group: "Rate", input: "29.97", shot: seconds(60, "30000/1001")},
		{group: "Rate", input: "15, as old phones in the dark", shot: seconds(30, "15")},
		{group: "Rate", input: "4, a slow show of pictures", shot: seconds(8, "4"), count: 60},
		{group: "Rate", input: "50", shot: seconds(100, "50")},
		{group: "Rate", input: "59.94", shot: seconds(120, "60000/1001")},
		{group: "Rate", input: "60", shot: seconds(120, "60")},
		{group: "Rate", input: "60.02", reports: []string{"mastodon#14668"}, shot: seconds(121, "3001/50")},
		{group: "Rate", input: "slow motion, 120", shot: seconds(240, "120")},
		{group: "Rate", input: "slow motion, 240", shot: seconds(480, "240")},
		{group: "Rate", input: "variable, each picture a little early or late", reports: []string{"mastodon PR#17619"},
			shot:  shot{filter: "settb=1/90000,setpts='N*3000+mod(N*7,5)*300'", output: fine},
			times: spaced(60, func(i int) float64 { return float64(i)/30 + float64(i*7%5)/300 })},
		{group: "Rate", input: "variable, with a base rate of 90000 (Pixel 7)", reports: []string{"glitch-soc#2946", "mastodon PR#33634"},
			shot:  shot{filter: "settb=1/90000,setpts='N*3000+mod(N*7,11)-5*gt(N,0)'", output: fine},
			times: spaced(60, func(i int) float64 { return float64(i)/30 + float64(i*7%11)/90000 })},
		{group: "Rate", input: "variable, slower where the light is low",
			shot: shot{filter: "settb=1/90000,setpts='if(lt(N,30),N*3000,90000+(N-30)*6000)'", card: testCard{frames: 45}, output: fine}, count: 59,
			times: spaced(45, func(i int) float64 { return float64(min(i, 30))/30 + float64(max(0, i-30))/15 })},
		{group: "Rate", input: "a pause of 0.7 s in the middle",
			shot: shot{filter: "settb=1/90000,setpts='N*3000+gte(N,20)*63000'", card: testCard{frames: 39}, output: fine},
			times: spaced(39, func(i int) float64 {
				if i >= 20 {
					return float64(i)/30 + 0.7
				}
				return float64(i) / 30
			})},
		{group: "Rate", input: "time counted in 90000ths", shot: shot{output: []string{"-video_track_timescale", "90000"}}},
		{group: "Rate", input: "interlaced, upper lines first", reports: []string{"PeerTube#6447"},
			shot: shot{codec: append(quick[:len(quick):len(quick)], "-flags", "+ilme+ildct", "-x264opts", "tff=1"), filter: "setfield=tff"}},
		{group: "Rate", input: "interlaced, lower lines first", reports: []string{"PeerTube#6447"},
			shot: shot{codec: append(quick[:len(quick):len(quick)], "-flags", "+ilme+ildct", "-x264opts", "bff=1"), filter: "setfield=bff"}},
	}
}

func spaced(count int, at func(int) float64) []float64 {
	var all []float64
	for i := range count {
		all = append(all, at(i))
	}
	return all
}
