"""An application with bodies that are too large to keep in memory."""

import hashlib
import tempfile
from pathlib import Path

from quart import Quart, request, send_file

app = Quart(__name__)
app.config.update(MAX_CONTENT_LENGTH=None, BODY_TIMEOUT=None, RESPONSE_TIMEOUT=None)
folder = Path(tempfile.mkdtemp(prefix="quart-large-"))


@app.post("/uploaded")
async def upload() -> str:
    file = (await request.files)["file"]
    await file.save(folder / "uploaded")
    return str((folder / "uploaded").stat().st_size)


@app.post("/digest")
async def digest() -> str:
    state = hashlib.sha256()
    async for piece in request.body:
        state.update(piece)
    return state.hexdigest()


@app.get("/uploaded")
async def download() -> object:
    return await send_file(folder / "uploaded", conditional=True)


@app.delete("/uploaded")
def remove() -> str:
    (folder / "uploaded").unlink(missing_ok=True)
    folder.rmdir()
    return ""


@app.get("/ping")
async def ping() -> str:
    return "pong"
