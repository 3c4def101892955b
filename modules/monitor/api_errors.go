package monitor

import "anb/platform/fault"

// The faults of the API alone.
var (
	errAttemptNotFound = fault.New(fault.NotFound, "ATTEMPT_NOT_FOUND", "La tarea no tiene ese intento.")
	errKey             = fault.New(fault.Invalid, "INVALID_IDEMPOTENCY_KEY", "La clave Idempotency-Key debe tener de 1 a 100 caracteres ASCII sin espacios.")
	errKeyReused       = fault.New(fault.Invalid, "IDEMPOTENCY_KEY_REUSED", "La clave Idempotency-Key ya se usó para otra solicitud. Usa una clave nueva para cada acción.")
	errBoth            = fault.New(fault.Invalid, "FILTER_OR_IDS", "Indica un filtro o una lista de identificadores, no ambos.")
)
