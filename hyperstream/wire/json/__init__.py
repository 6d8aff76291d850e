"""JSON over WebSocket: whole frames, made once and shared, in the dialects that clients speak."""
