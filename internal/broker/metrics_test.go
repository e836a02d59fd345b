package broker

import (
	"errors"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Who alerts on the increase of a counter sees its first count only when there was a series before.
func TestPublishesBeginAtZero(t *testing.T) {
	for role, want := range map[Role]int{RoleIngest: 2 * 8, RoleEnricher: 3 * 8, RoleProvisioner: 0, "": 0} {
		reg := prometheus.NewRegistry()
		c, err := serve(t, EmbeddedConfig{}).Connect(t.Context(), Config{Name: "x", Role: role, Registerer: reg})
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, c)
		if got, err := testutil.GatherAndCount(reg, "rollcall_nats_publishes_total"); err != nil || got != want {
			t.Errorf("role %q: got %d series and %v, want %d", role, got, err, want)
		}
	}
	for _, err := range []error{
		nil, ErrFenced, &deniedError{}, nats.ErrMaxPayload, nats.ErrTimeout, nats.ErrNoResponders, &jetstream.APIError{ErrorCode: errCodeAccountResources}, errors.New("any"),
	} {
		for _, ack := range []*jetstream.PubAck{{}, {Duplicate: true}} {
			if o := outcomeOf(ack, err); !slices.Contains(allOutcomes(), o) {
				t.Errorf("%v: got outcome %q, want one that begins at 0", err, o)
			}
		}
	}
}
