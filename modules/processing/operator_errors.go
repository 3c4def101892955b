package processing

import "anb/platform/fault"

// The answers to orders that cannot be carried out. Only the dashboard gives
// them, and ErrJobNotFound.
var (
	ErrWorkerNotFound = fault.New(fault.NotFound, "WORKER_NOT_FOUND", "Trabajador no encontrado, o ya terminó.")
	// ErrJobState's copies name the state.
	ErrJobState  = fault.New(fault.Conflict, "JOB_STATE_CONFLICT", "El estado de la tarea no lo permite.")
	ErrVideoGone = fault.New(fault.Conflict, "VIDEO_GONE", "El video de la tarea fue eliminado.")
)

func stateConflict(message string) error {
	e := *ErrJobState
	e.Message = message
	return &e
}

// conflict says in which state a job is, for which it cannot be verb.
func (j orderedJob) conflict(verb string) error {
	is := map[State]string{
		Queued: "en cola", Running: "en ejecución", Retrying: "a la espera de otro intento",
		Done: "terminada", Dead: "fallida", Cancelled: "cancelada",
	}[j.State]
	if j.Discarded {
		is += " y descartada"
	}
	return stateConflict("La tarea está " + is + ": no se puede " + verb + ".")
}
