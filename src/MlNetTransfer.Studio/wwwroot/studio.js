"use strict";
// What Blazor cannot: folders that are dropped, pictures that are pasted, the camera. Everything else works without it.
(() => {
  const atOnce = 4;

  async function send(url, body) {
    const answer = await fetch(url, { method: "POST", body, headers: { "Content-Type": "application/octet-stream" } });
    if (!answer.ok) throw new Error((await answer.text()) || `The studio answered ${answer.status}.`);
    return answer;
  }

  function all(entry, path) {
    if (entry.isFile) return new Promise((done, fail) => entry.file((file) => done([{ path: path + file.name, file }]), fail));
    const reader = entry.createReader();
    return new Promise((done, fail) => {
      const found = [];
      // A reader gives a part of the entries at a time, and none at the end.
      const next = () =>
        reader.readEntries(async (entries) => {
          try {
            if (entries.length === 0) return done(found);
            for (const inner of entries) for (const file of await all(inner, `${path}${entry.name}/`)) found.push(file);
            next();
          } catch (error) {
            fail(error);
          }
        }, fail);
      next();
    });
  }

  async function upload(zone, name, files, archive) {
    const status = zone.querySelector("[data-status]");
    const bar = document.createElement("progress");
    bar.max = files.length;
    zone.append(bar);
    try {
      const id = await (await send(`upload?name=${encodeURIComponent(name)}`)).text();
      if (archive) {
        bar.removeAttribute("value");
        status.textContent = archive.name;
        await send(`upload/${id}/archive`, archive);
      } else {
        let done = 0;
        const waiting = files.slice();
        const work = async () => {
          for (let next; (next = waiting.shift()); ) {
            await send(`upload/${id}?path=${encodeURIComponent(next.path)}`, next.file);
            bar.value = ++done;
            // Read aloud: now and then is enough.
            if (done % Math.ceil(files.length / 10) === 0) status.textContent = `${done} / ${files.length}`;
          }
        };
        await Promise.all(Array.from({ length: atOnce }, work));
      }
      const leftOut = await (await send(`upload/${id}/end`)).text();
      status.textContent = leftOut === "0" ? "" : `${zone.dataset.leftOut} ${leftOut}`;
    } catch (error) {
      status.textContent = error.message;
    } finally {
      bar.remove();
    }
  }

  function take(zone, found) {
    const zip = found.length === 1 && /\.zip$/i.test(found[0].file.name) ? found[0].file : null;
    if (found.length > 0) upload(zone, zip ? zip.name : found[0].path.split("/")[0], found, zip);
  }

  // Tells a gallery which of its rows are in view: one call at a time, the next with where it is by then.
  window.mlnetStudio = {
    watch(box, gallery, height) {
      let told = "",
        busy = false;
      async function look() {
        if (busy || !box.isConnected) return;
        busy = true;
        try {
          for (;;) {
            const top = Math.floor(box.scrollTop / height),
              count = Math.ceil(box.clientHeight / height) + 1,
              wide = Math.min(6, Math.max(2, Math.floor(box.clientWidth / 160))),
              now = `${top} ${count} ${wide}`;
            if (now === told) return;
            told = now;
            await gallery.invokeMethodAsync("See", top, count, wide);
          }
        } catch {
          // The page is being left.
        } finally {
          busy = false;
        }
      }
      box.addEventListener("scroll", look, { passive: true });
      new ResizeObserver(look).observe(box);
      return {
        look() {
          told = "";
          look();
        },
      };
    },
  };

  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    // A file that misses is not to be opened by the browser.
    event.preventDefault();
    const zone = event.target.closest?.("[data-drop], .drop");
    document.querySelectorAll(".over").forEach((other) => other !== zone && other.classList.remove("over"));
    zone?.classList.add("over");
  });

  document.addEventListener("drop", async (event) => {
    document.querySelectorAll(".over").forEach((zone) => zone.classList.remove("over"));
    if (!event.dataTransfer.types.includes("Files")) return;
    const zone = event.target.closest?.("[data-drop]");
    const images = event.target.closest?.(".drop");
    event.preventDefault();
    if (zone) {
      const files = [...event.dataTransfer.files];
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
      const found = [];
      try {
        for (const entry of entries) for (const file of await all(entry, "")) found.push(file);
        // What has no place in a file system is a file all the same.
        if (entries.length === 0) for (const file of files) found.push({ path: file.name, file });
        take(zone, found);
      } catch (error) {
        zone.querySelector("[data-status]").textContent = error.message;
      }
    } else if (images) give(images.querySelector("input[type=file]"), event.dataTransfer.files);
  });

  document.addEventListener("change", (event) => {
    const input = event.target.closest?.("[data-drop] input[type=file]");
    if (!input) return;
    take(input.closest("[data-drop]"), [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
    input.value = "";
  });

  function give(input, files) {
    const images = new DataTransfer();
    for (const file of files) if (file.type.startsWith("image/")) images.items.add(file);
    if (images.files.length > 0) put();

    // Those before are answered first.
    function put() {
      if (!input?.isConnected) return;
      if (input.disabled) return setTimeout(put, 100);
      input.files = images.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }

  document.addEventListener("paste", (event) => give(document.querySelector(".drop input[type=file]"), event.clipboardData.files));

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-camera]");
    if (!button) return;
    const place = button.closest(".drop");
    // The button ends what it has begun.
    const open = place.querySelector("video.camera");
    if (open) return open.dispatchEvent(new Event("ended"));
    const said = place.querySelector("[data-status]");
    const video = document.createElement("video");
    const shot = document.createElement("button");
    let stream = null;
    const end = () => {
      for (const track of stream?.getTracks() ?? []) track.stop();
      clearInterval(watch);
      video.remove();
      shot.remove();
    };
    // Left without a picture, the page must not keep the camera.
    const watch = setInterval(() => video.isConnected || end(), 500);
    video.addEventListener("ended", end);
    video.muted = video.playsInline = true;
    video.className = "camera";
    shot.type = "button";
    shot.textContent = button.dataset.camera;
    place.append(video, shot);
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      if (!video.isConnected) return end();
      video.srcObject = stream;
      await video.play();
      shot.focus();
      shot.addEventListener("click", () => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
        canvas.getContext("2d").drawImage(video, 0, 0);
        end();
        canvas.toBlob((blob) => give(place.querySelector("input[type=file]"), [new File([blob], "camera.png", { type: "image/png" })]), "image/png");
      });
    } catch (error) {
      end();
      said.textContent = error.message;
    }
  });
})();
