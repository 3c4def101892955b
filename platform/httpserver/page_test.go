package httpserver

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"anb/platform/fault"
)

func TestParsePage_TakesExactNumbersOnly(t *testing.T) {
	t.Parallel()
	e, _ := newEcho(t)
	var got Page
	e.GET("/", func(c echo.Context) (err error) {
		got, err = ParsePage(c)
		return err
	})
	for query, want := range map[string]Page{
		"":                    {50, 0},
		"limit=1":             {1, 0},
		"limit=100&offset=7":  {100, 7},
		"offset=10000000":     {50, 10_000_000},
		"page=1":              {50, 0},
		"page=3&page_size=20": {20, 40},
		"page_size=100":       {100, 0},
		"page=100000":         {50, 4_999_950},
		"city=x&other[]=1":    {50, 0},
	} {
		w := send(e, request(t, "GET", "/?"+query, nil))
		require.Equal(t, http.StatusOK, w.Code, query)
		require.Equal(t, want, got, query)
	}
	for _, name := range []string{"limit", "offset", "page", "page_size"} {
		for _, value := range []string{
			"-1", "1e9", "NaN", "abc", "1.5", "", "9223372036854775808", "99999999999", "+5", "%205", "5%20", "05", "0x5", "1_000",
			"%00", "٣", "5&" + name + "=6", "1%27--",
		} {
			w := send(e, request(t, "GET", "/?"+name+"="+value, nil))
			p := requireProblem(t, w, http.StatusBadRequest, "INVALID_PARAMETER")
			require.Equal(t, "Parámetro inválido en la consulta.", p.Detail)
		}
	}
	for _, query := range []string{"limit=0", "limit=101", "page=0", "page_size=0", "page_size=101", "offset=10000001", "page=100001", "page=1&limit=1", "page_size=1&offset=0"} {
		requireProblem(t, send(e, request(t, "GET", "/?"+query, nil)), http.StatusBadRequest, "INVALID_PARAMETER")
	}
}

func TestOne_TakesOneAllowedPrintableValue(t *testing.T) {
	t.Parallel()
	v, err := One(url.Values{}, "sort", "recent", "votes")
	require.NoError(t, err)
	require.Equal(t, "recent", v)
	v, err = One(url.Values{"sort": {"votes"}}, "sort", "recent", "votes")
	require.NoError(t, err)
	require.Equal(t, "votes", v)
	v, err = One(url.Values{}, "city")
	require.NoError(t, err)
	require.Empty(t, v)
	for name, values := range map[string][]string{"twice": {"recent", "recent"}, "unknown": {"title"}, "empty": {""}, "case": {"Recent"}} {
		_, err = One(url.Values{"sort": values}, "sort", "recent", "votes")
		require.ErrorIs(t, err, fault.ErrParameter, name)
	}
	for _, city := range []string{"a\x00b", "\xff"} {
		_, err = One(url.Values{"city": {city}}, "city")
		require.ErrorIs(t, err, fault.ErrParameter)
	}
}

func TestTotal_IsExactTo10000(t *testing.T) {
	t.Parallel()
	require.Equal(t, "0", Total(0))
	require.Equal(t, "10000", Total(MaxCount))
	require.Equal(t, "10000+", Total(MaxCount+1))
}
