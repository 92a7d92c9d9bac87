// Pictures: to choose one of (radio), several of (checkbox), or only to be seen.
const set = element.querySelector('fieldset');
const name = 'st-' + Math.random().toString(36).slice(2);

function make(tag, parent, settings = {}) {
  const made = Object.assign(document.createElement(tag), settings);
  parent.append(made);
  return made;
}

function draw({ label, things, kind }) {
  set.replaceChildren();
  make('legend', set, { textContent: label });
  for (const thing of things) {
    const pick = make(kind ? 'label' : 'div', set, { className: 'st-pick' });
    if (kind) {
      const box = make('input', pick, { type: kind, name, value: thing.id });
      box.addEventListener('change', () => {
        props.value = { ...props.value, chosen: chosen() }; // whatever is pressed next knows it at once
        trigger('select', { chosen: chosen() });
      });
    }
    if (thing.picture) make('img', pick, { src: thing.picture, alt: '' });
    make('span', pick, { className: 'st-name', textContent: thing.title });
    if (thing.words) make('small', pick, { textContent: thing.words });
  }
  set.hidden = !things.length;
}

const chosen = () => [...set.querySelectorAll('input:checked')].map((box) => box.value);

let drawn = '';
function show() {
  const value = props.value;
  if (!value) return;
  const { chosen: told, ...rest } = value;
  const ticked = told ?? chosen(); // not told: the choice stays as it is
  if (JSON.stringify(rest) !== drawn) {
    const focused = set.contains(document.activeElement) ? document.activeElement.value : null;
    draw(value);
    drawn = JSON.stringify(rest);
    if (focused) [...set.querySelectorAll('input')].find((box) => box.value === focused)?.focus();
  }
  for (const box of set.querySelectorAll('input')) box.checked = ticked.includes(box.value);
}

watch('value', show);
show();
