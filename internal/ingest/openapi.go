package ingest

import _ "embed" // for openapi.yaml

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the description of the routes, an OpenAPI 3 document in YAML. The caller must not change it.
func OpenAPI() []byte { return openAPI }
