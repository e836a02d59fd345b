// Package house has no code, only the test that holds every package of this module to its
// place: imports point down. The table in it is the house; docs/ARCHITECTURE.md draws it.
package house
