import '@mantine/core/styles.css'
import '@mantine/core/styles/default-css-variables.css'
import './console.css'
import { createTheme, MantineProvider } from '@mantine/core'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { BrowserRouter } from 'react-router'
import { Console } from './console.tsx'

const theme = createTheme({
  primaryColor: 'cyan',
  primaryShade: { light: 9, dark: 6 },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "DejaVu Sans Mono", "Liberation Mono", monospace',
  defaultRadius: 'sm',
  cursorType: 'pointer',
})

// The CSS variables come from a file, not from a <style> element: the content security policy allows no inline styles.
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false} deduplicateInlineStyles={false}>
      <BrowserRouter>
        <Console />
      </BrowserRouter>
    </MantineProvider>
  </StrictMode>,
)
