// Search runs in a worker, and browsers start none for a page opened from a file. There, and only there,
// a hidden frame does a worker's work. Messages arrive later and as copies, as a worker's do.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const inside = this.frame.contentWindow
      inside.postMessage = data => this.deliver(this, data)
      inside.importScripts = (...scripts) => scripts.reduce(
        (before, script) => before.then(() => this.load(script)), Promise.resolve())
      this.ready = this.load(address)
    }

    load(address) {
      return new Promise((resolve, reject) => {
        const script = this.frame.contentDocument.createElement("script")
        script.src = address
        script.onload = resolve
        script.onerror = reject
        this.frame.contentDocument.body.append(script)
      })
    }

    deliver(target, data) {
      const message = new MessageEvent("message", { data: structuredClone(data) })
      setTimeout(() => {
        target.dispatchEvent(message)
        if (target === this && this.onmessage) this.onmessage(message)
      })
    }

    postMessage(data) {
      this.ready.then(() => this.deliver(this.frame.contentWindow, data))
    }

    terminate() {
      this.frame.remove()
    }
  }
}
