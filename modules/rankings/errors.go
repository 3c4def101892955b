package rankings

import "anb/platform/fault"

// Why a vote is refused.
var (
	ErrVideoNotFound = fault.New(fault.NotFound, "VIDEO_NOT_FOUND", "Video no encontrado.")
	ErrAlreadyVoted  = fault.New(fault.Invalid, "ALREADY_VOTED", "Ya has votado por este video.")
	ErrVotingClosed  = fault.New(fault.Invalid, "VOTING_CLOSED", "La votación no está abierta en este momento.")
	ErrOwnVideo      = fault.New(fault.Invalid, "OWN_VIDEO", "No puedes votar por tu propio video.")
)
