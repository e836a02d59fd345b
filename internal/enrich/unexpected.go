package enrich

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-events/rollcall/participants"
)

// CountUnexpected returns what participants.Config.OnUnexpected is to call, so that operators see when Twilio's answers drift away from
// its documentation: nothing is lost by it, and it says that there is something to look at. Every series is registered with reg at zero.
func CountUnexpected(reg prometheus.Registerer) (func(participants.API, string), error) {
	seen := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_twilio_unexpected_total",
		Help: "What Twilio's answers hold and its documentation does not mention, by where. It is passed on as it is.",
	}, []string{"api", "field"})
	for _, api := range apis() {
		for _, field := range participants.UnexpectedFields() {
			seen.WithLabelValues(string(api), field)
		}
	}
	return func(api participants.API, field string) { seen.WithLabelValues(string(api), field).Inc() },
		register(reg, []prometheus.Collector{seen})
}
