package events

import (
	"embed"
	"io/fs"
)

//go:embed schemas/*.json asyncapi.yaml
var documents embed.FS

// SchemaURI is the dataschema of every envelope at stage, and the $id of its schema. It is a
// name, not an address. A change that a consumer could trip over gets a new one.
func SchemaURI(stage Stage) string { return "urn:rollcall:schema:" + string(stage) + ":1" }

// Schema returns the JSON Schema (2020-12) of the envelopes at stage, which is complete in itself; nil
// for a stage that there is not.
func Schema(stage Stage) []byte {
	return document("schemas/" + string(stage) + ".v1.json")
}

// AsyncAPI returns the AsyncAPI 3.0 document (YAML) of everything that is published. It refers to the
// schemas as schemas/<stage>.v1.json beside it.
func AsyncAPI() []byte { return document("asyncapi.yaml") }

// Documents returns the AsyncAPI document and the schemas as files: asyncapi.yaml, schemas/<stage>.v1.json.
func Documents() fs.FS { return documents }

func document(name string) []byte {
	b, err := documents.ReadFile(name)
	if err != nil {
		return nil
	}
	return b
}
