(function () {
  "use strict";
  var GAP = 20, TRAIL = 60, LINE = 16, LETTER = 8.2;  // Gap and trail in tenths of seconds.

  function points(path) {
    var numbers = path.getAttribute("d").match(/-?[\d.]+/g).map(Number), at = 0;
    return path.dataset.t.split(" ").map(function (step, row) {
      at += Number(step);
      return { t: at, x: numbers[2 * row], y: numbers[2 * row + 1] };
    });
  }

  function place(way, t) {
    var low = 0, high = way.length - 1;
    if (t < way[0].t || t > way[high].t) { return null; }
    while (high - low > 1) {
      var middle = (low + high) >> 1;
      if (way[middle].t <= t) { low = middle; } else { high = middle; }
    }
    var a = way[low], b = way[high];
    if (t === b.t) { return { x: b.x, y: b.y, row: high }; }
    if (b.t - a.t > GAP) { return t === a.t ? { x: a.x, y: a.y, row: low } : null; }
    var share = b.t > a.t ? (t - a.t) / (b.t - a.t) : 0;
    return { x: a.x + share * (b.x - a.x), y: a.y + share * (b.y - a.y), row: low };
  }

  function trail(way, now, t) {
    var line = "M" + now.x.toFixed(1) + " " + now.y.toFixed(1);
    for (var row = now.row; row >= 0 && t - way[row].t <= TRAIL; row -= 1) {
      if (row < now.row && way[row + 1].t - way[row].t > GAP) { break; }
      line += "L" + way[row].x.toFixed(1) + " " + way[row].y.toFixed(1);
    }
    return line;
  }

  function meets(a, b) { return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]; }

  function freePlace(x, y, width, taken, sheet) {
    for (var far = 8; far <= 42; far += LINE) {
      var tries = [[x + far, y - LINE / 2], [x - far - width, y - LINE / 2], [x - width / 2, y - far - LINE],
        [x - width / 2, y + far], [x + far, y - LINE - far / 2], [x + far, y + far / 2],
        [x - far - width, y - LINE - far / 2], [x - far - width, y + far / 2]];
      for (var n = 0; n < tries.length; n += 1) {
        var box = [tries[n][0], tries[n][1], tries[n][0] + width, tries[n][1] + LINE];
        var inside = box[0] >= 0 && box[1] >= 0 && box[2] <= sheet[0] && box[3] <= sheet[1];
        if (inside && !taken.some(function (other) { return meets(box, other); })) { return box; }
      }
    }
    return null;
  }

  function clock(tenths) {
    var seconds = tenths / 10, minutes = Math.floor(seconds / 60);
    return minutes + ":" + ("0" + (seconds - 60 * minutes).toFixed(1)).slice(-4);
  }

  function start(map) {
    var svg = map.querySelector("svg"), slider = map.querySelector("input"), said = map.querySelector("output");
    var play = map.querySelector("[data-play]"), every = map.querySelector("[data-every]"), timer = null, only = "";
    var sheet = [svg.viewBox.baseVal.width, svg.viewBox.baseVal.height];
    var fixed = (map.dataset.boxes || "").split(" ").filter(Boolean).map(Number);
    var boxes = [];
    for (var n = 0; n + 3 < fixed.length; n += 4) { boxes.push(fixed.slice(n, n + 4)); }
    var people = Array.prototype.map.call(svg.querySelectorAll("path.way"), function (path) {
      return { id: path.dataset.id, way: points(path), path: path, trail: null, dot: null, name: null };
    });
    var layer = svg.querySelector("g.now");

    function make(person) {
      ["trail", "dot", "lead", "name"].forEach(function (part) {
        var kind = { trail: "path", dot: "circle", lead: "line", name: "text" }[part];
        person[part] = document.createElementNS("http://www.w3.org/2000/svg", kind);
        person[part].setAttribute("class", part);
        person[part].style.setProperty("--c", person.path.dataset.c);
      });
      person.dot.setAttribute("r", 5);
      person.dot.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "title")).textContent = person.id;
      person.name.textContent = person.id;
    }

    function show() {
      var t = Number(slider.value), here = [], unnamed = 0;
      layer.textContent = "";
      people.forEach(function (person) {
        var now = only && person.id !== only ? null : place(person.way, t);
        if (now) { here.push([person, now]); }
      });
      var taken = boxes.concat(here.map(function (entry) {
        return [entry[1].x - 6, entry[1].y - 6, entry[1].x + 6, entry[1].y + 6];
      }));
      here.forEach(function (entry) {
        var person = entry[0], now = entry[1];
        if (!person.dot) { make(person); }
        person.trail.setAttribute("d", trail(person.way, now, t));
        layer.appendChild(person.trail);
      });
      here.forEach(function (entry) {
        var person = entry[0], now = entry[1], width = LETTER * person.id.length + 5;
        person.dot.setAttribute("cx", now.x);
        person.dot.setAttribute("cy", now.y);
        layer.appendChild(person.dot);
        var box = freePlace(now.x, now.y, width, taken, sheet);
        if (!box) { unnamed += 1; return; }
        taken.push(box);
        var x = (box[0] + box[2]) / 2, y = (box[1] + box[3]) / 2;
        if (Math.hypot(x - now.x, y - now.y) > 26) {
          [["x1", now.x], ["y1", now.y], ["x2", x], ["y2", y]].forEach(function (end) {
            person.lead.setAttribute(end[0], end[1].toFixed(1));
          });
          layer.insertBefore(person.lead, layer.firstChild);
        }
        person.name.setAttribute("x", x.toFixed(1));
        person.name.setAttribute("y", (box[3] - 4).toFixed(1));
        layer.appendChild(person.name);
      });
      said.textContent = clock(t) + ", " + here.length + (here.length === 1 ? " person" : " people") +
        (unnamed ? ", " + unnamed + " without room for a name (point at the dot)" : "");
    }

    function stop() {
      if (timer) { clearInterval(timer); timer = null; }
      play.textContent = "Play";
      play.setAttribute("aria-pressed", "false");
    }

    slider.addEventListener("input", function () { stop(); show(); });
    play.addEventListener("click", function () {
      if (timer) { stop(); return; }
      if (Number(slider.value) >= Number(slider.max)) { slider.value = 0; }
      play.textContent = "Pause";
      play.setAttribute("aria-pressed", "true");
      timer = setInterval(function () {
        slider.value = Number(slider.value) + 2;
        show();
        if (Number(slider.value) >= Number(slider.max)) { stop(); }
      }, 100);
    });
    every.addEventListener("click", function () {
      var on = every.getAttribute("aria-pressed") !== "true";
      every.setAttribute("aria-pressed", String(on));
      svg.classList.toggle("every", on);
    });
    map.querySelector(".keys").addEventListener("click", function (event) {
      var key = event.target.closest("button[data-id]");
      if (!key) { return; }
      only = only === key.dataset.id ? "" : key.dataset.id;
      map.querySelectorAll("button[data-id]").forEach(function (other) {
        other.setAttribute("aria-pressed", String(other.dataset.id === only));
      });
      svg.classList.toggle("one", only !== "");
      people.forEach(function (person) { person.path.classList.toggle("chosen", person.id === only); });
      show();
    });
    map.addEventListener("mouseover", function (event) {
      var camera = event.target.closest("[data-camera]");
      map.querySelectorAll("[data-camera]").forEach(function (other) {
        other.classList.toggle("hot", camera !== null && other.dataset.camera === camera.dataset.camera);
      });
    });
    map.classList.add("alive");
    show();
  }

  Array.prototype.forEach.call(document.querySelectorAll(".floor"), start);
})();
