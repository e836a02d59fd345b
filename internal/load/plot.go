package load

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The size of one plot.
const (
	plotWidth  = 6 * vg.Inch
	plotHeight = 3.2 * vg.Inch
)

// colours are the palette of Okabe and Ito, which the colour-blind can tell apart too.
func colours() []color.Color {
	return []color.Color{
		color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255},
		color.RGBA{204, 121, 167, 255}, color.RGBA{230, 159, 0, 255}, color.RGBA{86, 180, 233, 255},
	}
}

// Plot writes an SVG of results to w: latency by percentile above, throughput over time below.
func Plot(w io.Writer, title string, results ...Result) error {
	latency, err := latencyPlot(title, results)
	if err != nil {
		return fmt.Errorf("plot latency: %w", err)
	}
	rate, err := ratePlot(results)
	if err != nil {
		return fmt.Errorf("plot throughput: %w", err)
	}
	canvas := vgsvg.New(plotWidth, 2*plotHeight)
	whole := draw.New(canvas)
	latency.Draw(draw.Crop(whole, 0, -8, plotHeight, -4))
	rate.Draw(draw.Crop(whole, 0, -8, 0, -plotHeight-4))
	if _, err := canvas.WriteTo(w); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}

func latencyPlot(title string, results []Result) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text, p.Y.Label.Text = "percentile", "latency, ms"
	p.X.Tick.Marker = nines{}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	// The legend goes where there is room: latency rises towards the right. Its text begins on the left, so that it covers nothing even
	// in a wider font than expected.
	p.Legend.Left, p.Legend.XOffs = true, plotWidth/3
	for i, r := range results {
		var line plotter.XYs
		for _, b := range r.Latency.Percentiles {
			if b.Percentile < 100 {
				line = append(line, plotter.XY{X: ninesOf(b.Percentile), Y: max(b.Milliseconds, 0.001)})
			}
		}
		if err := addLine(p, i, r.Name, line); err != nil {
			return nil, err
		}
	}
	if p.Y.Min > p.Y.Max { // no points
		p.Y.Min, p.Y.Max = 1, 1
	}
	if p.Y.Min == p.Y.Max { // a logarithmic axis needs a range
		p.Y.Min, p.Y.Max = p.Y.Min/2, p.Y.Max*2
	}
	return p, nil
}

func ratePlot(results []Result) (*plot.Plot, error) {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "seconds", "answers a second"
	p.Y.Min = 0
	for i, r := range results {
		var line plotter.XYs
		for _, point := range r.Series {
			line = append(line, plotter.XY{X: point.Seconds, Y: point.Rate})
		}
		if err := addLine(p, i, "", line); err != nil {
			return nil, err
		}
	}
	p.Y.Min = 0
	return p, nil
}

func addLine(p *plot.Plot, i int, name string, points plotter.XYs) error {
	if len(points) == 0 {
		return nil
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	line.Color, line.Width = colours()[i%len(colours())], vg.Points(1.5)
	p.Add(line)
	if name != "" {
		p.Legend.Add(name, line)
	}
	return nil
}

// ninesOf returns where a percentile is on the axis of an HDR plot: 90 at 1, 99 at 2, 99.9 at 3.
func ninesOf(percentile float64) float64 { return -math.Log10(1 - percentile/100) }

// nines marks the ticks of that axis.
type nines struct{}

// Ticks implements plot.Ticker.
func (nines) Ticks(_, most float64) (ticks []plot.Tick) {
	for _, percentile := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999} {
		if at := ninesOf(percentile); at <= most {
			ticks = append(ticks, plot.Tick{Value: at, Label: fmt.Sprint(percentile)})
		}
	}
	return ticks
}
