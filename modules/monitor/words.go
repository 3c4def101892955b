package monitor

import (
	"fmt"
	"strings"

	"anb/modules/monitor/drain"
)

// stateWord shows a state without relying on its colour.
type stateWord struct {
	Class string
	Icon  string
	Word  string
}

func stateWords(lang string, s State) stateWord {
	w := map[State]stateWord{
		Waiting:    {"waiting", "◷", pick(lang, "En espera", "Waiting")},
		Scheduled:  {"scheduled", "◴", pick(lang, "Programada", "Scheduled")},
		Running:    {"running", "▶", pick(lang, "En curso", "Running")},
		Stuck:      {"stuck", "⚠", pick(lang, "Atascada", "Stuck")},
		Cancelling: {"cancelling", "◼", pick(lang, "Cancelando", "Cancelling")},
		Retrying:   {"retrying", "↻", pick(lang, "Reintentando", "Retrying")},
		Done:       {"done", "✔", pick(lang, "Terminada", "Done")},
		Dead:       {"dead", "✖", pick(lang, "Muerta", "Dead")},
		Discarded:  {"discarded", "⌫", pick(lang, "Descartada", "Discarded")},
		Cancelled:  {"cancelled", "⊘", pick(lang, "Cancelada", "Cancelled")},
	}[s]
	if w.Class == "" {
		return stateWord{"waiting", "?", string(s)}
	}
	return w
}

func workerWords(lang string, s WorkerState) stateWord {
	return map[WorkerState]stateWord{
		Online:   {"done", "●", pick(lang, "En línea", "Online")},
		Draining: {"retrying", "◐", pick(lang, "Vaciándose", "Draining")},
		Late:     {"dead", "⚠", pick(lang, "Sin latido", "Late heartbeat")},
		Crashed:  {"dead", "✖", pick(lang, "Caído", "Crashed")},
		Exited:   {"cancelled", "○", pick(lang, "Terminado", "Exited")},
	}[s]
}

func problemWords(lang string, p Problem) string {
	switch p.Kind {
	case NoDatabase:
		return pick(lang, "La base de datos no responde. Lo que ves es lo último que se supo.", "The database does not answer. What you see is the last that was known.")
	case NoBroker:
		return pick(lang, "Redis no responde: los videos nuevos esperan a que los trabajadores miren por sí mismos.", "Redis (the broker) is unavailable: new videos wait until workers look by themselves.")
	case NoWorkers:
		return pick(lang, fmt.Sprintf("La cola «%s» no tiene trabajadores y esperan %d. Inicia uno: anb work --queues %s", p.Subject, p.Count, p.Subject),
			fmt.Sprintf("Queue \"%s\" has no workers and %d wait. Start one: anb work --queues %s", p.Subject, p.Count, p.Subject))
	case Stalled:
		return pick(lang, fmt.Sprintf("La cola «%s» está detenida: esperan %d junto a puestos libres.", p.Subject, p.Count),
			fmt.Sprintf("Queue \"%s\" is stalled: %d wait beside free slots.", p.Subject, p.Count))
	case JobsStuck:
		if p.Count == 1 {
			return pick(lang, fmt.Sprintf("Una tarea de «%s» no avanza.", p.Subject), fmt.Sprintf("A job of \"%s\" does not get any further.", p.Subject))
		}
		return pick(lang, fmt.Sprintf("%d tareas de «%s» no avanzan.", p.Count, p.Subject), fmt.Sprintf("%d jobs of \"%s\" do not get any further.", p.Count, p.Subject))
	case LateWorker:
		if p.Count == 0 {
			return pick(lang, fmt.Sprintf("El trabajador %s no da señales.", p.Subject), fmt.Sprintf("Worker %s is silent.", p.Subject))
		}
		return pick(lang, fmt.Sprintf("El trabajador %s no da señales; otro hará lo suyo (%d).", p.Subject, p.Count),
			fmt.Sprintf("Worker %s is silent; another will do its work (%d).", p.Subject, p.Count))
	case DiskLow:
		return pick(lang, fmt.Sprintf("Al trabajador %s le quedan %s de disco.", p.Subject, sizeWords(p.Count)),
			fmt.Sprintf("Worker %s has %s of disk left.", p.Subject, sizeWords(p.Count)))
	case Paused:
		return pick(lang, fmt.Sprintf("La cola «%s» está en pausa; esperan %d.", p.Subject, p.Count), fmt.Sprintf("Queue \"%s\" is paused; %d wait.", p.Subject, p.Count))
	}
	return string(p.Kind)
}

func stageWords(lang, s string) string {
	words := map[string][2]string{
		"probe": {"revisar", "probe"}, "encode": {"codificar", "encode"}, "join": {"unir", "join"}, "check": {"comprobar", "check"}, "publish": {"publicar", "publish"},
	}[s]
	if words[0] == "" {
		return s
	}
	return pick(lang, words[0], words[1])
}

func outcomeWords(lang, s string) string {
	words := map[string][2]string{
		"running": {"en curso", "running"}, "done": {"bien", "done"}, "failed": {"falló", "failed"}, "cancelled": {"cancelado", "cancelled"},
		"released": {"devuelto", "released"}, "lost": {"perdido: su trabajador calló", "lost: its worker fell silent"}, "postponed": {"aplazado", "postponed"},
	}[s]
	if words[0] == "" {
		return s
	}
	return pick(lang, words[0], words[1])
}

func actionWords(lang, a string) string {
	words := map[string][2]string{
		actRetry: {"Reintentar tarea", "Retry job"}, actCancel: {"Cancelar tarea", "Cancel job"}, actDiscard: {"Descartar tarea", "Discard job"},
		actSubmit: {"Enviar video de nuevo", "Submit video again"}, actReveal: {"Mostrar datos ocultos", "Reveal hidden data"},
		actPause: {"Pausar cola", "Pause queue"}, actResume: {"Reanudar cola", "Resume queue"}, actDrain: {"Vaciar trabajador", "Drain worker"},
		actUndrain: {"Reanudar trabajador", "Resume worker"}, actScale: {"Cambiar puestos", "Change slots"}, actConsume: {"Tomar de la cola", "Consume queue"},
		actIdle: {"No tomar de la cola", "Leave queue alone"}, actStop: {"Detener operación", "Stop operation"}, actRevoke: {"Cerrar sesión ajena", "End session"},
		actBulk + "retry": {"Reintentar varias", "Retry many"}, actBulk + "cancel": {"Cancelar varias", "Cancel many"}, actBulk + "discard": {"Descartar varias", "Discard many"},
	}[a]
	if words[0] == "" {
		return a
	}
	return pick(lang, words[0], words[1])
}

// flashWords says that an action was done, by its name.
func flashWords(lang, action string) string {
	if w := actionWords(lang, action); w != action {
		return "✔ " + w + pick(lang, ": hecho.", ": done.")
	}
	return ""
}

// drainWords tells when a queue will be empty.
func drainWords(lang string, r drain.Result) string {
	switch r.Kind {
	case drain.Draining:
		return strings.ReplaceAll(shortDuration(r.P50)+" – "+shortDuration(r.P90), " – 0 ms", "")
	case drain.Growing:
		return pick(lang, "crece +", "growing +") + decimal(lang, r.GrowthPerMinute, 1) + "/min"
	case drain.NoConsumers:
		return pick(lang, "∞ – sin trabajadores", "∞ – no consumers")
	case drain.Paused:
		return pick(lang, "∞ – en pausa", "∞ – paused")
	case drain.Unknown:
		return pick(lang, "aún no se sabe", "not known yet")
	}
	return "–"
}
