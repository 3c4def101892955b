package monitor

import "anb/platform/fault"

// The faults of the dashboard.
var (
	ErrJobNotFound       = fault.New(fault.NotFound, "JOB_NOT_FOUND", "Tarea no encontrada.")
	ErrQueueNotFound     = fault.New(fault.NotFound, "QUEUE_NOT_FOUND", "Cola no encontrada.")
	ErrWorkerNotFound    = fault.New(fault.NotFound, "WORKER_NOT_FOUND", "Trabajador no encontrado.")
	ErrOperationNotFound = fault.New(fault.NotFound, "OPERATION_NOT_FOUND", "Operación no encontrada.")

	errReason    = fault.New(fault.Invalid, "REASON_REQUIRED", "Escribe el motivo: quedará en la auditoría.")
	errAction    = fault.New(fault.Invalid, "UNKNOWN_ACTION", "Esa acción no existe. Usa retry, cancel o discard.")
	errNoFilter  = fault.New(fault.Invalid, "FILTER_REQUIRED", "Indica qué tareas: un filtro o una lista de identificadores.")
	errSlots     = fault.New(fault.Invalid, "SLOTS_OUT_OF_RANGE", "El número de puestos debe estar entre 1 y 256.")
	errSearch    = fault.New(fault.Invalid, "INVALID_SEARCH", "La búsqueda no se entiende.")
	errNotUndone = fault.New(fault.Invalid, "NOTHING_TO_UNDO", "Solo se puede deshacer una cancelación.")
)
