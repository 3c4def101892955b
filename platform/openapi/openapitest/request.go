package openapitest

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// checkRequest compares a request that succeeded with the document: its
// parameters, its credentials and its body.
func (c *Checker) checkRequest(x exchange, req *http.Request, body *recorded, route *routers.Route, params map[string]string) {
	bare := req.Clone(context.WithoutCancel(req.Context()))
	bare.Body = http.NoBody // the real one is sent already, and checked below
	input := &openapi3filter.RequestValidationInput{
		Request: bare, PathParams: params, QueryParams: req.URL.Query(), Route: route,
		Options: &openapi3filter.Options{
			ExcludeRequestBody:  true,
			SkipSettingDefaults: true,
			MultiError:          true,
			AuthenticationFunc:  hasBearer,
		},
	}
	if err := openapi3filter.ValidateRequest(bare.Context(), input); err != nil {
		c.report(x, "accepted a request the document does not allow: %v", err)
	}
	want := route.Operation.RequestBody
	if want == nil || !want.Value.Required && len(body.body()) == 0 {
		return
	}
	if err := checkBody(req, body, want.Value); err != nil {
		c.report(x, "accepted a body the document does not allow: %v", err)
	}
}

func hasBearer(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	if in.RequestValidationInput.Request.Header.Get("Authorization") == "" {
		return errors.New("no Authorization header")
	}
	return nil
}

func checkBody(req *http.Request, body *recorded, want *openapi3.RequestBody) error {
	kind, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if kind == "" {
		kind = "application/json" // the contract reads it so
	}
	media := want.Content[kind]
	if media == nil {
		return errors.New("content type " + kind)
	}
	var value any
	switch kind {
	case "multipart/form-data":
		names, err := body.fields()
		if err != nil {
			return err
		}
		return hasFields(names, media.Schema.Value)
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body.body()))
		if err != nil {
			return err
		}
		fields := map[string]any{}
		for name := range form {
			fields[name] = form.Get(name)
		}
		value = fields
	default:
		if err := json.Unmarshal(body.body(), &value); err != nil {
			return err
		}
	}
	return media.Schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.VisitAsRequest(), openapi3.MultiErrors())
}

// hasFields checks a form by the names of its fields alone: all required
// ones, and one group of an anyOf.
func hasFields(names map[string]int, schema *openapi3.Schema) error {
	for _, name := range schema.Required {
		if names[name] == 0 {
			return errors.New("no field " + name)
		}
	}
	if len(schema.AnyOf) == 0 {
		return nil
	}
	var errs []error
	for _, group := range schema.AnyOf {
		err := hasFields(names, group.Value)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
