(function () {
  "use strict";
  var all = function (selector) { return Array.prototype.slice.call(document.querySelectorAll(selector)); };

  all("[data-filter]").forEach(function (button) {
    button.addEventListener("click", function () {
      all("[data-filter]").forEach(function (other) { other.setAttribute("aria-pressed", String(other === button)); });
      all("tr[data-decision]").forEach(function (row) {
        row.hidden = button.dataset.filter !== "all" && row.dataset.decision !== button.dataset.filter;
      });
    });
  });

  var search = document.getElementById("people-search"), several = document.getElementById("people-several");
  var count = document.getElementById("people-count");
  function sift() {
    var text = search.value.trim().toLowerCase(), shown = 0;
    var only = several.getAttribute("aria-pressed") === "true";
    all("article.person").forEach(function (card) {
      card.hidden = (only && Number(card.dataset.cameras) < 2) || card.dataset.text.toLowerCase().indexOf(text) < 0;
      shown += card.hidden ? 0 : 1;
    });
    count.textContent = shown + " shown";
  }
  if (search) {
    search.addEventListener("input", sift);
    several.addEventListener("click", function () {
      several.setAttribute("aria-pressed", String(several.getAttribute("aria-pressed") !== "true"));
      sift();
    });
  }
  window.addEventListener("hashchange", function () {
    var card = document.getElementById(location.hash.slice(1));
    if (card && card.hidden) { search.value = ""; several.setAttribute("aria-pressed", "false"); sift(); card.scrollIntoView(); }
  });

  function heat(event, on) {
    var bar = event.target.closest ? event.target.closest("[data-p]") : null;
    if (!bar) { return; }
    all("[data-p]").forEach(function (other) {
      if (other.dataset.p === bar.dataset.p) { other.classList.toggle("hot", on); }
    });
  }
  document.addEventListener("mouseover", function (event) { heat(event, true); });
  document.addEventListener("mouseout", function (event) { heat(event, false); });
})();
