"""What answers look like, for the description of the API; a test holds each to its model. Pure."""

from collections.abc import Mapping
from typing import Any

ID = "4f7c1f0e-8a43-4d0c-9d53-0d2b8f6a1c11"
NOW = "2026-01-07T13:02:58.000001Z"
BEGUN = "2026-01-07T13:02:58Z"
ROOT = "/home/ada/project"
WHERE = f"{ROOT}/sessions/{ID}"
TMUX = "mas-4f7c1f0e"
ATTACH = f"tmux -u attach-session -t ={TMUX}"

AGENT: Mapping[str, Any] = {
    "agentId": "10",
    "name": "Design Manager",
    "status": "running",
    "window": "design",
    "pane": 0,
    "paneId": "%1",
    "model": "opus",
    "role": "manager",
    "command": "claude",
    "exitCode": None,
    "workingDir": f"{WHERE}/unit/10",
}
SESSION: Mapping[str, Any] = {
    "sessionId": ID,
    "tmuxSession": TMUX,
    "status": "active",
    "attached": False,
    "stale": False,
    "lifecycle": "initializing",
    "mode": "isolated",
    "sessionMode": "isolated",
    "label": "search",
    "createdAt": BEGUN,
    "startedAt": BEGUN,
    "lastActivity": NOW,
    "workingDir": WHERE,
    "agentCount": 13,
    "httpServerStatus": "running",
}
MESSAGE: Mapping[str, Any] = {
    "messageId": "9f3c0a1b2c3d4e5f",
    "timestamp": NOW,
    "sender": "unknown",
    "target": "10",
    "to": ["10"],
    "message": "Show me the plan.",
    "execute": True,
    "kind": "message",
    "fates": {"10": {"outcome": "submitted", "reason": ""}},
}
EVENT: Mapping[str, Any] = {"seq": 4, "timestamp": NOW, "type": "started", "data": {}}
RECORD: Mapping[str, Any] = {
    "session_id": ID,
    "feature_request": "full-text search",
    "status": "planning",
    "created_at": NOW,
    "updated_at": NOW,
    "rev": 4,
}
CHECKPOINT: Mapping[str, Any] = {
    "seq": 5,
    "iteration": 0,
    "timestamp": NOW,
    "resumable": True,
    "state_snapshot": RECORD,
}
PROGRESS: Mapping[str, Any] = {
    "sessionId": ID,
    "lifecycle": "implementing",
    "phase": "implement",
    "iterationsCompleted": 1,
    "totalIterations": 3,
    "filesChanged": ["src/search.py"],
    "commandsExecuted": [{"command": "make test", "success": True, "timestamp": NOW}],
    "durationSeconds": 12.5,
    "timeoutMinutes": 120,
    "overdue": False,
    "iterations": [],
}

ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "Problem": {
        "error": "Session not found",
        "code": "not_found",
        "details": {"sessionId": "4f7c"},
        "hint": "`mas list --all` shows what there is",
        "status": "failed",
        "timestamp": NOW,
    },
    "Health": {"status": "ok", "timestamp": NOW},
    "About": {
        "name": "MAS API Server",
        "version": "3.0.0",
        "status": "running",
        "timestamp": NOW,
        "endpoints": ["GET /health", "POST /runs"],
    },
    "Overall": {
        "status": "running",
        "session": TMUX,
        "agents": [AGENT],
        "httpServer": {"running": True, "port": 8765, "pid": 4711},
        "timestamp": NOW,
    },
    "Sessions": {"sessions": [SESSION], "total": 1, "count": 1, "timestamp": NOW},
    "Agents": {"sessionId": ID, "agents": [AGENT], "timestamp": NOW},
    "Detail": {
        **SESSION,
        "sessionDir": WHERE,
        "projectDir": "/home/me/shop",
        "unitDir": f"{WHERE}/unit",
        "workflowsDir": f"{WHERE}/workflows",
        "configPath": f"{WHERE}/config.json",
        "units": [{"name": "design", "agents": ["10"], "paths": {"10": f"{WHERE}/unit/10"}}],
        "agents": [AGENT],
        "windows": [{"index": 1, "name": "design", "paneCount": 4, "active": True}],
        "logs": [{"name": "session.log", "path": f"{WHERE}/logs/session.log", "bytes": 120}],
        "metadata": {"SESSION_ID": ID, "TMUX_SESSION": TMUX, "STATUS": "active"},
        "config": {"agents": {"metaManager": {"id": "00", "prompt": "Plan the work."}}},
        "progress": PROGRESS,
        "problem": "",
        "remedy": "",
        "timestamp": NOW,
    },
    "Run": {
        "sessionId": ID,
        "tmuxSession": TMUX,
        "workingDir": WHERE,
        "unitDir": f"{WHERE}/unit",
        "workflowsDir": f"{WHERE}/workflows",
        "sessionMode": "isolated",
        "startedAt": BEGUN,
        "status": "started",
        "timestamp": NOW,
    },
    "Connection": {
        "sessionId": ID,
        "tmuxSession": TMUX,
        "attachCommand": ATTACH,
        "status": "connected",
        "workingDir": WHERE,
        "startedAt": BEGUN,
        "connectionDetails": {"windows": ["meta", "design"], "activeAgents": 13, "focusedWindow": "design"},
        "timestamp": NOW,
    },
    "Stopped": {"sessionId": ID, "status": "stopped", "wasUp": True, "timestamp": NOW},
    "Restored": {
        "sessionId": ID,
        "tmuxSession": TMUX,
        "attachCommand": ATTACH,
        "status": "restored",
        "agentsStarted": 13,
        "timestamp": NOW,
    },
    "Deleted": {"sessionId": ID, "status": "deleted", "timestamp": NOW},
    "Sent": {**MESSAGE, "status": "acknowledged", "session": TMUX, "sessionId": ID},
    "Messages": {"sessionId": ID, "messages": [MESSAGE], "total": 1, "count": 1, "more": False, "timestamp": NOW},
    "MessageLog": {
        "logs": [MESSAGE],
        "count": 1,
        "more": False,
        "sessionId": ID,
        "resolvedSessionId": ID,
        "channel": "all",
        "timestamp": NOW,
    },
    "Record": RECORD,
    "Events": {"sessionId": ID, "events": [EVENT], "count": 1, "next": 4, "more": False, "timestamp": NOW},
    "Progress": PROGRESS,
    "Checkpoint": CHECKPOINT,
    "Checkpoints": {"sessionId": ID, "checkpoints": [CHECKPOINT], "count": 1},
}
"""One for each model that a route answers with, by its name."""
