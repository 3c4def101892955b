// Package metrics is the process's Prometheus registry.
package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry collects the metrics of one process and serves them.
type Registry struct {
	*prometheus.Registry
	http.Handler
	requests *prometheus.HistogramVec
	problems *prometheus.CounterVec
	asked    *asked
}

// New returns a registry with the process's own metrics and its version.
func New(version string) *Registry {
	r := prometheus.NewRegistry()
	questions := &asked{questions: map[subject]*question{}}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "anb_build_info", Help: "1, labelled with the version that runs."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	requests := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "anb_http_request_seconds", Help: "Time from a request's header to the end of its answer.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
	}, []string{"route", "method", "status"})
	problems := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "anb_http_problems_total", Help: "Requests that were answered with a problem, by its code: a refused sign-in, a second vote, a short clip.",
	}, []string{"route", "code"})
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build, requests, problems, questions)
	return &Registry{Registry: r, Handler: promhttp.HandlerFor(r, promhttp.HandlerOpts{}), requests: requests, problems: problems, asked: questions}
}

// Request counts a finished request, and the code of its problem if it has one.
// The route is its template, never the path, and an unknown method counts as
// "other", so that the number of series stays bounded.
func (r *Registry) Request(route, method string, status int, problem string, took time.Duration) {
	if route == "" {
		route = "none"
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		method = "other"
	}
	if problem != "" {
		r.problems.WithLabelValues(route, problem).Inc()
	}
	r.requests.WithLabelValues(route, method, strconv.Itoa(status)).Observe(took.Seconds())
}
