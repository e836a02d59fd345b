package events

import (
	"embed"
	"io/fs"
)

//go:embed schemas/*.json asyncapi.yaml
var documents embed.FS

// SchemaURI returns the dataschema of every message at stage, which is the $id of its schema:
// "urn:rollcall:schema:<stage>:1". It is a name, not an address. A change that breaks consumers gets a new one.
func SchemaURI(stage Stage) string { return "urn:rollcall:schema:" + string(stage) + ":1" }

// Schema returns the JSON Schema (2020-12) of the messages at stage. It refers to no other file. It is nil
// for a stage that does not exist.
func Schema(stage Stage) []byte {
	return document("schemas/" + string(stage) + ".v1.json")
}

// AsyncAPI returns the AsyncAPI 3.0 document (YAML) of everything that is published. It refers to the
// schemas by relative path: schemas/<stage>.v1.json.
func AsyncAPI() []byte { return document("asyncapi.yaml") }

// Documents returns the files that AsyncAPI and Schema return: asyncapi.yaml and schemas/<stage>.v1.json.
func Documents() fs.FS { return documents }

func document(name string) []byte {
	b, err := documents.ReadFile(name)
	if err != nil {
		return nil
	}
	return b
}
