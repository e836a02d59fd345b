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
func TestWhatAClientCountsBeginsAtZero(t *testing.T) {
	for role, want := range map[Role]struct{ publishes, tasks, problems int }{
		RoleIngest: {2 * 8, 0, 3}, RoleEnricher: {4 * 8, 7, 3}, RoleProvisioner: {0, 0, 3}, "": {0, 0, 3},
	} {
		reg := prometheus.NewRegistry()
		c, err := serve(t, EmbeddedConfig{}).Connect(t.Context(), Config{Name: "x", Role: role, Registerer: reg})
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, c)
		for name, want := range map[string]int{
			"rollcall_nats_publishes_total": want.publishes, "rollcall_nats_tasks_total": want.tasks, "rollcall_nats_problems_total": want.problems,
		} {
			if got, err := testutil.GatherAndCount(reg, name); err != nil || got != want {
				t.Errorf("role %q: got %d series of %s and %v, want %d", role, got, name, err, want)
			}
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
