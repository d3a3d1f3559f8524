// The colours and fonts of our own parts, as CSS variables with plain names. They follow Cloudscape's design tokens,
// so light and dark mode reach them too. A test holds that every variable named here exists in the built style sheet:
// with versions of `components` and `design-tokens` that do not fit together, all of them would silently stay light.

import * as tokens from '@cloudscape-design/design-tokens'

export const TOKENS: Readonly<Record<string, string>> = {
  '--text': tokens.colorTextBodyDefault,
  '--text-quiet': tokens.colorTextBodySecondary,
  '--text-heading': tokens.colorTextHeadingDefault,
  '--link': tokens.colorTextButtonLinkDefault,
  '--surface': tokens.colorBackgroundContainerContent,
  '--surface-page': tokens.colorBackgroundLayoutMain,
  '--surface-hover': tokens.colorBackgroundDropdownItemHover,
  '--surface-selected': tokens.colorBackgroundItemSelected,
  '--surface-shaded': tokens.colorBackgroundCellShaded,
  '--line': tokens.colorBorderDividerDefault,
  '--line-quiet': tokens.colorBorderDividerSecondary,
  '--line-control': tokens.colorBorderControlDefault,
  '--line-selected': tokens.colorBorderItemSelected,
  '--line-focus': tokens.colorBorderItemFocused,
  '--grid': tokens.colorChartsLineGrid,
  '--font': tokens.fontFamilyBase,
  '--font-mono': tokens.fontFamilyMonospace,
  '--radius-container': tokens.borderRadiusContainer,
  '--radius-item': tokens.borderRadiusItem,
}

/** Declares the variables. On the body, because there the class of the dark mode is. */
export function declareTokens(body: HTMLElement): void {
  for (const [name, value] of Object.entries(TOKENS)) body.style.setProperty(name, value)
}
