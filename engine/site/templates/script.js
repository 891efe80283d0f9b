(function () {
  "use strict";
  var form = document.getElementById("filter");
  if (!form) { return; }
  var rows = Array.prototype.slice.call(document.querySelectorAll("[data-claim]"));
  var groups = Array.prototype.slice.call(document.querySelectorAll("[data-group]"));
  var total = {};
  rows.forEach(function (row) {
    total[row.dataset.claim] = true;
    var shared = row.closest("[data-shared]");
    var said = (shared ? shared.querySelector("p").textContent : "") + " " + row.textContent;
    row.words = said.toLowerCase().replace(/\s+/g, " ");
  });
  function fits(row) {
    var data = row.dataset;
    var words = form.elements.words.value.toLowerCase().split(/\s+/);
    return words.every(function (word) { return row.words.indexOf(word) >= 0; })
      && (!form.elements.grade.value || data.grade === form.elements.grade.value)
      && (!form.elements.model.value || data.model === form.elements.model.value)
      && (!form.elements.tag.value || (" " + data.tags + " ").indexOf(" " + form.elements.tag.value + " ") >= 0)
      && (!form.elements.changed.checked || data.changed === "yes");
  }
  function show() {
    var seen = {};
    rows.forEach(function (row) {
      row.hidden = !fits(row);
      if (!row.hidden) { seen[row.dataset.claim] = true; }
    });
    groups.forEach(function (group) {
      var inside = group.querySelectorAll("[data-claim]");
      group.hidden = inside.length > 0 && !group.querySelector("[data-claim]:not([hidden])");
    });
    form.elements.count.value = Object.keys(seen).length + " of " + Object.keys(total).length + " claims";
  }
  form.addEventListener("input", show);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.hidden = false;
  show();
}());
