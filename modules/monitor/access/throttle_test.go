package access

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/passwords"
)

const (
	attacker = "203.0.113.9"
	victim   = "198.51.100.7"
)

func TestSignIn_SlowsDownWhoGuessesAndNobodyElse(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded())
	for range freePerAccount {
		w := b.try(attacker, "elias", "wrong")
		require.Equal(t, http.StatusUnauthorized, w.Code)
		require.Equal(t, "INVALID_CREDENTIALS", code(t, w))
	}
	w := b.try(attacker, "elias", eliasPassword)
	require.Equal(t, http.StatusTooManyRequests, w.Code, "even the right one waits")
	require.Equal(t, "TOO_MANY_ATTEMPTS", code(t, w))
	require.Equal(t, "5", w.Header().Get("Retry-After"))
	require.Empty(t, w.Result().Cookies())
	r := request("GET", "/viewer", basic("elias", eliasPassword))
	r.RemoteAddr = attacker + ":1"
	require.Equal(t, http.StatusTooManyRequests, b.do(r).Code, "by Basic as well")

	require.Equal(t, http.StatusSeeOther, b.try(victim, "elias", eliasPassword).Code, "from elsewhere nothing has happened")
	require.Equal(t, http.StatusSeeOther, b.try(attacker, "ana", anaPassword).Code, "nor to another account")
	require.Equal(t, http.StatusTooManyRequests, b.try(attacker, "elias", eliasPassword).Code, "whose success changes nothing here")

	b.clock.pass(firstDelay)
	require.Equal(t, http.StatusUnauthorized, b.try(attacker, "elias", "wrong").Code)
	require.Equal(t, "10", b.try(attacker, "elias", eliasPassword).Header().Get("Retry-After"), "twice as long")
	b.clock.pass(2 * firstDelay)
	require.Equal(t, http.StatusSeeOther, b.try(attacker, "elias", eliasPassword).Code)
	for range freePerAccount {
		require.Equal(t, http.StatusUnauthorized, b.try(attacker, "elias", "wrong").Code, "begins anew after a success")
	}
}

func TestSignIn_SlowsDownAnAddressThatTriesManyNames(t *testing.T) {
	t.Parallel()
	b := setup(t, quick())
	for i := range freePerAddress {
		require.Equal(t, http.StatusUnauthorized, b.try(attacker, "name"+strconv.Itoa(i), "wrong").Code, i)
		if i == freePerAddress/2 {
			require.Equal(t, http.StatusSeeOther, b.try(attacker, "ana", anaPassword).Code, "one's own account clears nothing")
		}
	}
	require.Equal(t, http.StatusTooManyRequests, b.try(attacker, "ana", anaPassword).Code)
	require.Equal(t, http.StatusSeeOther, b.try(victim, "ana", anaPassword).Code)
}

func TestSignIn_ManyAtOnceAreNotMoreThanManyInARow(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded())
	var wg sync.WaitGroup
	codes := make([]int, 40)
	for i := range codes {
		wg.Go(func() { codes[i] = b.try(attacker, "elias", "wrong").Code })
	}
	wg.Wait()
	looked := 0
	for _, code := range codes {
		if code == http.StatusUnauthorized {
			looked++
		} else {
			require.Equal(t, http.StatusTooManyRequests, code)
		}
	}
	require.Equal(t, freePerAccount, looked)
}

func TestSignIn_CountsNothingThatWasNotLookedAt(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded())
	ctx, cancel := contextEnded()
	defer cancel()
	for range 2 * freePerAddress {
		require.Empty(t, b.do(request("GET", "/viewer", basic("elias", "wrong")).WithContext(ctx)).Body.String(), "the client has gone")
	}
	require.Equal(t, http.StatusOK, b.send("GET", "/viewer", basic("elias", eliasPassword)).Code)
}

func TestSignIn_WorksAsMuchForUnknownNames(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded())
	ctx, cancel := contextEnded()
	defer cancel()
	chosen := map[string]int{}
	for i := range 200 {
		name := "nobody" + strconv.Itoa(i)
		_, err := b.verify(ctx, victim, name, "wrong")
		require.ErrorIs(t, err, passwords.ErrBusy, "it goes as far as hashing")
		chosen[b.anyone(name).proof]++
		require.Equal(t, b.anyone(name), b.anyone(name), "a name costs the same each time")
	}
	require.Len(t, chosen, len(b.users), "as if it were one of the users")
	_, err := b.verify(ctx, victim, "ana", strings.Repeat("x", maxPasswordBytes+1))
	require.ErrorIs(t, err, ErrCredentials, "what is too long is not hashed")
	_, err = b.verify(t.Context(), victim, "nobody", anaPassword)
	require.ErrorIs(t, err, ErrCredentials, "whoever's hash it was checked with")
	c := guarded()
	c.Users = ""
	require.Equal(t, http.StatusUnauthorized, setup(t, c).try(victim, "nobody", "x").Code, "tokens only: there is nobody")
}

func TestThrottle_WaitsLongerEachTimeAndForgets(t *testing.T) {
	t.Parallel()
	c := &clock{t: time.Now()}
	th := newThrottle(c.now)
	var waits []time.Duration
	for range 15 {
		_, wait := th.begin("ana", attacker)
		if wait > 0 {
			waits = append(waits, wait)
			c.pass(wait)
			_, wait = th.begin("ana", attacker)
			require.Zero(t, wait)
		}
	}
	require.Equal(t, []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 320 * time.Second, 640 * time.Second, longestDelay, longestDelay}, waits)
	c.pass(forgetAfter + time.Second)
	for range freePerAccount {
		_, wait := th.begin("ana", attacker)
		require.Zero(t, wait)
	}
}

func TestThrottle_CountsAnIPv6NetworkAsOneAndHasABound(t *testing.T) {
	t.Parallel()
	c := &clock{t: time.Now()}
	th := newThrottle(c.now)
	for i := range freePerAccount {
		_, wait := th.begin("ana", "2001:db8::"+strconv.Itoa(i))
		require.Zero(t, wait)
	}
	_, wait := th.begin("ana", "2001:db8::ffff")
	require.Positive(t, wait)
	_, wait = th.begin("ana", "2001:db8:0:1::1")
	require.Zero(t, wait, "another network")
	require.Equal(t, "10.0.0.1", network("10.0.0.1"))
	require.Equal(t, "::ffff:10.0.0.1", network("::ffff:10.0.0.1"), "not all of IPv4 at once")

	for i := range maxTries {
		_, _ = th.begin(strconv.Itoa(i), "10.1."+strconv.Itoa(i/250)+"."+strconv.Itoa(i%250))
		c.pass(time.Millisecond)
	}
	require.LessOrEqual(t, len(th.all), maxTries)
	_, wait = th.begin("ana", "2001:db8::1")
	require.Zero(t, wait, "the oldest was forgotten")
	for range freePerAccount {
		_, wait = th.begin("eva", attacker)
		require.Zero(t, wait)
	}
	for i := range maxTries / 4 {
		_, _ = th.begin(strconv.Itoa(i), "10.2."+strconv.Itoa(i/250)+"."+strconv.Itoa(i%250))
	}
	_, wait = th.begin("eva", attacker)
	require.Positive(t, wait, "the newest was not")
}
