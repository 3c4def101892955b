//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

func voteFaults() []faultCase {
	return []faultCase{
		{"F37", "thousands of votes for one video through two servers", "each counts once, none is lost, no 500, other requests go on", true, manyVotes},
		{"F38", "one account votes for one video over fifty connections at once, through two servers", "one 200, forty-nine times 400, one vote", true, voteRace},
		{"F44", "votes across the end of the voting window", "yes before and no after, by the database's clock; the count is frozen", true, votesAtTheEnd},
		{"F48", "two hundred readers of a public list at the moment its copy is too old, after a restart too", "one statement serves them all; no list is older than two seconds", true, stampede},
	}
}

// published uploads a clip and waits until it is published.
func (r *rig) published(u *user) string {
	r.x.Helper()
	id := u.accepted(clipOf(r.x.T, 2))
	w := r.worker()
	u.processed(id)
	r.quit(w)
	return id
}

func manyVotes(x *experiment) {
	r := newRig(x)
	one, two := r.serve(), r.serve()
	u := r.book.join(one.base(), "ana")
	id := r.published(u)
	r.settle(one, u)
	n := x.rounds(1000, 10_000)
	accounts := r.accounts(u.base, n)
	took := make([]time.Duration, n)
	var group sync.WaitGroup
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	stop, others := make(chan struct{}), make(chan time.Duration, 1)
	go func() { // other requests meanwhile
		var slowest time.Duration
		for {
			select {
			case <-stop:
				others <- slowest
				return
			default:
			}
			began := time.Now()
			if s := u.call(http.MethodGet, "/api/videos", nil).status; s != http.StatusOK {
				x.Errorf("another request is answered %d", s)
			}
			slowest = max(slowest, time.Since(began))
		}
	}()
	began := time.Now()
	for w := range 200 {
		group.Go(func() {
			base := []string{one.base(), two.base()}[w%2]
			for i := range next {
				began := time.Now()
				answer := accounts[i].at(base).vote(id)
				took[i] = time.Since(began)
				if answer.status != http.StatusOK {
					x.Errorf("vote %d: %d %v %v", i, answer.status, answer.body, answer.err)
				}
			}
		})
	}
	group.Wait()
	whole := time.Since(began)
	close(stop)
	slices.Sort(took)
	x.occurred("%d votes over 200 connections", n)
	x.result.Note = fmt.Sprintf("%.0f votes a second (race detector on), p50 %d ms, p99 %d ms; the slowest other request took %d ms",
		float64(n)/whole.Seconds(), took[n/2].Milliseconds(), took[n*99/100].Milliseconds(), (<-others).Milliseconds())
	require.Less(x, took[n*99/100], 5*time.Second)
	require.Equal(x, n, r.votes(id))
	r.check()
}

func voteRace(x *experiment) {
	r := newRig(x)
	one, two := r.serve(), r.serve()
	u := r.book.join(one.base(), "ana")
	id := r.published(u)
	r.settle(one, u)
	n := x.rounds(10, 100)
	for i, voter := range r.accounts(u.base, n) {
		begin := make(chan struct{})
		answers := make([]reply, 50)
		var group sync.WaitGroup
		for j := range answers {
			group.Go(func() {
				<-begin
				answers[j] = voter.at([]string{one.base(), two.base()}[j%2]).vote(id)
			})
		}
		close(begin)
		group.Wait()
		yes := 0
		for _, a := range answers {
			if a.status == http.StatusOK {
				yes++
				continue
			}
			require.Equal(x, http.StatusBadRequest, a.status, "%v", a.err)
			require.Equal(x, "ALREADY_VOTED", a.text("code"))
		}
		require.Equal(x, 1, yes)
		require.Equal(x, i+1, r.votes(id))
	}
	x.occurred("fifty requests at once, all answered")
	r.check()
}

func votesAtTheEnd(x *experiment) {
	r := newRig(x)
	x.rounds(1, 1)
	u := r.book.join(r.serve().base(), "ana")
	id := r.published(u)
	length := 3 * time.Second
	accounts := r.accounts(u.base, 8000)
	closes := time.Now().Add(length + 3*time.Second) // 3 s to start
	var bases []string
	closing := r.with("ANB_VOTING_CLOSES_AT=" + closes.UTC().Format(time.RFC3339Nano))
	for range 2 {
		bases = append(bases, closing.serve().base())
	}
	require.True(x, time.Now().Before(closes), "the servers took too long to start")
	type answer struct {
		sent, got time.Time
		status    int
		code      string
	}
	answers := make([]answer, len(accounts))
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			pace := time.NewTicker(10 * time.Millisecond) // the accounts must last
			defer pace.Stop()
			for i := w; i < len(accounts) && time.Now().Before(closes.Add(time.Second)); i += 8 {
				<-pace.C
				a := answer{sent: time.Now()}
				got := accounts[i].at(bases[i/8%2]).vote(id)
				a.got, a.status, a.code = time.Now(), got.status, got.text("code")
				answers[i] = a
			}
		})
	}
	group.Wait()
	before, after := 0, 0
	for _, a := range answers {
		switch {
		case a.sent.IsZero():
		case a.status == http.StatusOK:
			require.True(x, a.sent.Before(closes), "a vote was taken after the end")
			before++
		default:
			require.Equal(x, "VOTING_CLOSED", a.code)
			require.True(x, a.got.After(closes), "a vote was refused before the end")
			after++
		}
	}
	require.NotZero(x, before)
	require.NotZero(x, after)
	require.Equal(x, before, r.votes(id))
	x.occurred("votes were taken before the end and refused after it, by two servers")
	late := accounts[len(accounts)-1].at(bases[0]).vote(id)
	require.Equal(x, "VOTING_CLOSED", late.text("code"))
	require.Equal(x, before, r.votes(id), "frozen")
	r.check()
}

func stampede(x *experiment) {
	r := newRig(x)
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	id := r.published(u)
	voters := r.accounts(u.base, x.rounds(3, 20))
	r.exec("ALTER DATABASE anb SET log_statement = 'all'") // for connections from here on
	api.kill()
	api = r.serve()
	u = u.at(api.base())
	for i, voter := range voters {
		if i%5 == 2 { // the copy is lost
			api.kill()
			api = r.serve()
			u = u.at(api.base())
			x.occurred("the server with the copy was killed and started anew")
		}
		require.Equal(x, http.StatusOK, voter.at(u.base).vote(id).status)
		begin := make(chan struct{})
		var group sync.WaitGroup
		for range 200 {
			group.Go(func() {
				<-begin
				if s := u.call(http.MethodGet, "/api/public/videos", nil).status; s != http.StatusOK {
					x.Errorf("a reader is answered %d", s)
				}
			})
		}
		passed, at := r.listings(), time.Now()
		close(begin)
		group.Wait()
		x.eventually(2*time.Second, "the list is older than two seconds", func() bool {
			return u.votesShown() == i+1
		})
		took := time.Since(at)
		asked := r.listings() - passed
		require.LessOrEqual(x, asked, int64(took/time.Second)+2, "two hundred readers in %s", took)
		x.occurred("two hundred readers at once, %d statements at most", int64(took/time.Second)+2)
	}
	r.check()
}

// listings counts how often PostgreSQL was asked for the public list.
func (r *rig) listings() int64 {
	return int64(strings.Count(r.pg.Log(), "v.vote_count FROM videos v"))
}

// votesShown is the number of votes of the only video in the public list; -1
// when there is no such answer.
func (u *user) votesShown() int {
	res, err := u.b.http.Get(u.base + "/api/public/videos")
	if err != nil {
		return -1
	}
	defer func() { _ = res.Body.Close() }()
	var list []struct{ Votes int }
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil || len(list) != 1 {
		return -1
	}
	return list[0].Votes
}
